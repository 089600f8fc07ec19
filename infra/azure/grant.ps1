<#
.SYNOPSIS
Grants the bot's managed identity its permissions in Microsoft Graph, and tells what it holds too much of.

.DESCRIPTION
For a Privileged Role Administrator or Global Administrator. Needs the module Microsoft.Graph.Authentication, which
Azure Cloud Shell has. Run again, it changes nothing that is right. With -WhatIf it only tells.
Nothing is taken away without -Remove. The list is that of skills/permissions.py.

.PARAMETER PrincipalId
Object id of the identity's service principal: the output principalId of the deployment.

.PARAMETER TenantId
The tenant, if your account is known in several.

.PARAMETER ReadOnly
For a read-only deployment: nothing that could change anything.

.PARAMETER Include
Permissions that are granted only when named here, because they could change what the bot only reads.

.PARAMETER Remove
Takes away what this deployment does not need.

.EXAMPLE
./grant.ps1 -PrincipalId 11111111-2222-3333-4444-555555555555 -WhatIf

.EXAMPLE
./grant.ps1 -PrincipalId 11111111-2222-3333-4444-555555555555 -ReadOnly -Remove
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
param(
    [Parameter(Mandatory = $true)]
    [ValidatePattern('^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$')]
    [string]$PrincipalId,
    [string]$TenantId,
    [switch]$ReadOnly,
    [ValidateSet('User-OnPremisesSyncBehavior.ReadWrite.All', 'OnPremisesPublishingProfiles.ReadWrite.All')]
    [string[]]$Include = @(),
    [switch]$Remove
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$GraphAppId = '00000003-0000-0000-c000-000000000000'
$Graph = 'https://graph.microsoft.com/v1.0'

# Group: 'read' for every deployment, 'act' not for a read-only one, 'asked' only when named by -Include.
$Permissions = @(
    @{ Group = 'read'; Name = 'User.Read.All'; Id = 'df021288-bdef-4463-88db-98f22de89214'
       Why = 'Finds people, the recycle bin and whoever holds an address; looks up whoever asks.' }
    @{ Group = 'read'; Name = 'GroupMember.Read.All'; Id = '98830695-27a2-44f7-8c18-0c3ebc9698f6'
       Why = 'Reads who is in the policy''s groups, and which groups hold an address.' }
    @{ Group = 'read'; Name = 'Synchronization.Read.All'; Id = '5ba43d2f-fa88-4db2-bd1c-a67c5f0fb1ce'
       Why = 'Reads jobs, quarantine, scope and mappings.' }
    @{ Group = 'read'; Name = 'Application.Read.All'; Id = '9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30'
       Why = 'Finds the Cloud Sync configurations, which are service principals.' }
    @{ Group = 'read'; Name = 'ProvisioningLog.Read.All'; Id = '091937d3-3e38-47a1-8649-b2f99d3035f1'
       Why = 'Reads what happened to each person, step by step.' }
    @{ Group = 'read'; Name = 'AuditLog.Read.All'; Id = 'b0afded3-3588-46d8-8b3d-9842eff778da'
       Why = 'Reads who changed a configuration, and the sign-ins of the sync account.' }
    @{ Group = 'read'; Name = 'Organization.Read.All'; Id = '498476ce-e0fe-48b0-b801-37ba7e2685c6'
       Why = 'Reads whether the tenant syncs at all, and its licence.' }
    @{ Group = 'read'; Name = 'Domain.Read.All'; Id = 'dbb9058a-0e50-45d7-ae91-66909b5d4664'
       Why = 'Reads which domains are verified.' }
    @{ Group = 'read'; Name = 'OnPremDirectorySynchronization.Read.All'; Id = 'bb70e231-92dc-4729-aff5-697b3f04be95'
       Why = 'Reads the tenant''s own matching settings and delete guard.' }
    @{ Group = 'read'; Name = 'RoleManagement.Read.Directory'; Id = '483bed4a-2ad3-4361-a73b-c83ccdbdc53c'
       Why = 'Reads the administrative roles that forbid a match.' }
    @{ Group = 'read'; Name = 'OrgContact.Read.All'; Id = 'e1a88a34-94c4-4418-be12-c87b00e26bea'
       Why = 'Finds contacts that hold an address.' }
    @{ Group = 'read'; Name = 'ServiceHealth.Read.All'; Id = '79c261e0-fe76-4144-aad5-bdc68fbe4037'
       Why = 'Reads incidents on Microsoft''s side.' }
    @{ Group = 'act'; Name = 'Synchronization.ReadWrite.All'; Id = '9b50c33d-700f-43b1-b2eb-87e89b703581'
       Why = 'Carries out approved acts on jobs, and reads the delete threshold, which Graph files under secrets.' }
    @{ Group = 'act'; Name = 'User.DeleteRestore.All'; Id = 'eccc023d-eccf-4e7b-9683-8813ab36cecc'
       Why = 'Restores a person from the recycle bin, once that is approved.' }
    @{ Group = 'asked'; Name = 'User-OnPremisesSyncBehavior.ReadWrite.All'; Id = 'a94a502d-0281-4d15-8cd2-682ac9362c4c'
       Why = 'Reads whether the cloud owns an account; Graph has no permission for reading it alone.' }
    @{ Group = 'asked'; Name = 'OnPremisesPublishingProfiles.ReadWrite.All'; Id = '0b57845e-aa49-4e6f-8109-ce654fffa618'
       Why = 'Lists the provisioning agents; documented for signed-in people only, so Graph may refuse it all the same.' }
)

function Get-Every([string]$Uri) {
    while ($Uri) {
        $page = Invoke-MgGraphRequest -Method GET -Uri $Uri -OutputType PSObject
        $page.value
        $next = $page.PSObject.Properties['@odata.nextLink']
        $Uri = if ($next) { $next.Value } else { $null }
    }
}

function Get-Wanted {
    foreach ($each in $Permissions) {
        if ($each.Group -eq 'read') { $each }
        elseif ($each.Group -eq 'act' -and -not $ReadOnly) { $each }
        elseif ($each.Group -eq 'asked' -and $Include -contains $each.Name) { $each }
    }
}

function Write-Line([string]$State, [string]$Name, [string]$Why) {
    Write-Output ('{0,-9} {1,-43} {2}' -f $State, $Name, $Why)
}

if ($ReadOnly -and $Include.Count -gt 0) {
    throw '-Include names permissions that can change something, and -ReadOnly wants none of these.'
}
if (-not (Get-Command Connect-MgGraph -ErrorAction SilentlyContinue)) {
    throw 'Microsoft.Graph.Authentication is missing: Install-Module Microsoft.Graph.Authentication -Scope CurrentUser'
}

$connect = @{ Scopes = @('Application.Read.All', 'AppRoleAssignment.ReadWrite.All'); NoWelcome = $true }
if ($TenantId) { $connect.TenantId = $TenantId }
Connect-MgGraph @connect

$resource = Invoke-MgGraphRequest -Method GET -OutputType PSObject `
    -Uri "$Graph/servicePrincipals(appId='$GraphAppId')?`$select=id,appRoles"
$principal = Invoke-MgGraphRequest -Method GET -OutputType PSObject `
    -Uri "$Graph/servicePrincipals/${PrincipalId}?`$select=id,displayName,servicePrincipalType"
if ($principal.servicePrincipalType -ne 'ManagedIdentity') {
    throw "$($principal.displayName) is no managed identity but a $($principal.servicePrincipalType): is this the right id?"
}

# An id that names something else in this tenant would grant something else.
foreach ($each in $Permissions) {
    $role = @($resource.appRoles | Where-Object { $_.id -eq $each.Id })
    if ($role.Count -ne 1 -or $role[0].value -ne $each.Name) {
        throw "Microsoft Graph does not know $($each.Name) as $($each.Id) in this tenant. Nothing was changed."
    }
}

$wanted = @(Get-Wanted)
$held = @(Get-Every "$Graph/servicePrincipals/$PrincipalId/appRoleAssignments" |
    Where-Object { $_.resourceId -eq $resource.id })

foreach ($each in $wanted) {
    if (@($held | Where-Object { $_.appRoleId -eq $each.Id }).Count -gt 0) {
        Write-Line 'has' $each.Name $each.Why
    }
    elseif ($PSCmdlet.ShouldProcess($principal.displayName, "grant $($each.Name): $($each.Why)")) {
        $body = @{ principalId = $PrincipalId; resourceId = $resource.id; appRoleId = $each.Id } | ConvertTo-Json
        Invoke-MgGraphRequest -Method POST -Uri "$Graph/servicePrincipals/$PrincipalId/appRoleAssignments" `
            -Body $body -ContentType 'application/json' | Out-Null
        Write-Line 'granted' $each.Name $each.Why
    }
}

foreach ($assignment in $held) {
    if (@($wanted | Where-Object { $_.Id -eq $assignment.appRoleId }).Count -gt 0) { continue }
    $role = @($resource.appRoles | Where-Object { $_.id -eq $assignment.appRoleId })
    $name = if ($role.Count -gt 0) { $role[0].value } else { $assignment.appRoleId }
    if (-not $Remove) {
        Write-Line 'too much' $name 'Not needed here. Take it away with -Remove.'
    }
    elseif ($PSCmdlet.ShouldProcess($principal.displayName, "take away $name")) {
        Invoke-MgGraphRequest -Method DELETE `
            -Uri "$Graph/servicePrincipals/$PrincipalId/appRoleAssignments/$($assignment.id)" | Out-Null
        Write-Line 'removed' $name 'Not needed here.'
    }
}

Write-Output 'A token that the bot already has holds its old permissions for up to a day; Azure may hand the same one out again after a restart.'
