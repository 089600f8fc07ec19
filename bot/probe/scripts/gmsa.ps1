# The account of the agent's service, as this server and the directory see it. Reads only; what it may not read is null.
$service = Read-Part 'service' { Get-CimInstance -ClassName Win32_Service -Filter "Name='AADConnectProvisioningAgent'" }
$account = "$($service.StartName)"
$answer = [ordered]@{ server = $env:COMPUTERNAME; account = $account; managed = $null; domain = $null; found = $null; test = $null; testError = $null }
$managed = Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\AADConnectProvisioningAgent' 'ServiceAccountManaged'
if ($null -ne $managed) { $answer.managed = [int]@($managed)[0] }
$answer.hostEncryption = Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Kerberos\Parameters' 'SupportedEncryptionTypes'

function Get-Escaped([string]$Text) {
    -join ($Text.ToCharArray() | ForEach-Object { if ("$_" -match '[A-Za-z0-9 $._-]') { "$_" } else { -join ([Text.Encoding]::UTF8.GetBytes("$_") | ForEach-Object { '\{0:x2}' -f $_ }) } })
}

function Find-Entry([string]$Base, [string]$Filter, [string[]]$Attributes, [string]$Scope = 'Subtree') {
    $searcher = New-Object System.DirectoryServices.DirectorySearcher([ADSI]"LDAP://$($Base.Replace('/', '\/'))", $Filter, $Attributes, $Scope)
    $searcher.ClientTimeout = [TimeSpan]::FromSeconds(5)
    $searcher.ServerTimeLimit = [TimeSpan]::FromSeconds(5)
    $searcher.PageSize = 50
    $searcher.FindAll()
}

$sid = $null
if ($account -match '^([^\\@]+)\\(.+)$' -and $account -notmatch '^(NT |\.\\|LocalSystem)') {
    $name = $Matches[2]
    $sid = Read-Part 'account name' { (New-Object System.Security.Principal.NTAccount($account)).Translate([System.Security.Principal.SecurityIdentifier]) }
    if ($sid) { $answer.sid = $sid.Value }
    Read-Part 'directory' {
        $root = [ADSI]'LDAP://RootDSE'
        $base = "$($root.Properties['defaultNamingContext'].Value)"
        $answer.domain = $base
        $answer.schemaVersion = "$(([ADSI]"LDAP://$($root.Properties['schemaNamingContext'].Value)").Properties['objectVersion'].Value)"
        # Sought through the whole forest, because the account may stand in another domain than the server.
        $forest = @(([ADSI]'GC://').psbase.Children | ForEach-Object { $_ })[0]
        $catalog = New-Object System.DirectoryServices.DirectorySearcher($forest, "(sAMAccountName=$(Get-Escaped $name))", [string[]]@('distinguishedName'))
        $catalog.ClientTimeout = [TimeSpan]::FromSeconds(5)
        $places = @($catalog.FindAll() | ForEach-Object { "$($_.Properties['distinguishedname'][0])" })
        $answer.found = $places.Count
        $answer.places = $places
        if (-not $places.Count) { return }
        $place = $places | Where-Object { $_.EndsWith($base) } | Select-Object -First 1
        if (-not $place) { $place = $places[0] }
        $wanted = 'msDS-GroupMSAMembership', 'msDS-SupportedEncryptionTypes', 'userAccountControl', 'lockoutTime', 'whenCreated', 'objectClass'
        $entry = @(Find-Entry $place '(objectClass=*)' $wanted 'Base')[0]
        $answer.classes = @($entry.Properties['objectclass'] | ForEach-Object { "$_" })
        $answer.encryption = "$($entry.Properties['msds-supportedencryptiontypes'][0])"
        $answer.userAccountControl = "$($entry.Properties['useraccountcontrol'][0])"
        $answer.lockoutTime = "$($entry.Properties['lockouttime'][0])"
        $answer.created = Get-Stamp $entry.Properties['whencreated'][0]
        $allowed = $entry.Properties['msds-groupmsamembership']
        if ($allowed.Count) {
            $list = New-Object System.Security.AccessControl.RawSecurityDescriptor([byte[]]$allowed[0], 0)
            $answer.hosts = @($list.DiscretionaryAcl | ForEach-Object {
                $trustee = $_.SecurityIdentifier
                $named = $trustee.Value
                try { $named = $trustee.Translate([System.Security.Principal.NTAccount]).Value } catch { $named = $trustee.Value }
                $holds = $null
                try {
                    $group = @(Find-Entry $base "(&(objectClass=group)(objectSid=$($trustee.Value)))" @('distinguishedName'))
                    if ($group.Count) {
                        $dn = Get-Escaped "$($group[0].Properties['distinguishedname'][0])"
                        $me = Get-Escaped "$env:COMPUTERNAME$"
                        $holds = [bool]@(Find-Entry $base "(&(sAMAccountName=$me)(memberOf:1.2.840.113556.1.4.1941:=$dn))" @('cn')).Count
                    }
                } catch { $holds = $null }
                [ordered]@{ name = $named; holdsThisServer = $holds }
            })
        }
    }
    # Keys of the forest are shown to few; an empty list means something only to those who may see them.
    Read-Part 'root keys' {
        $me = [System.Security.Principal.WindowsIdentity]::GetCurrent()
        $answer.mayReadKeys = [bool]@($me.Groups | Where-Object { $_.Value -match '^S-1-5-21-.*-(512|519)$' }).Count
        $keys = 'CN=Master Root Keys,CN=Group Key Distribution Service,CN=Services,' + ([ADSI]'LDAP://RootDSE').Properties['configurationNamingContext'].Value
        $answer.rootKeys = @(Find-Entry $keys '(objectClass=msKds-ProvRootKey)' @('whenCreated') 'OneLevel' | ForEach-Object { Get-Stamp $_.Properties['whencreated'][0] })
    }
    if (Get-Module -ListAvailable -Name ActiveDirectory) {
        try {
            Import-Module ActiveDirectory -ErrorAction Stop
            $answer.test = [bool](Test-ADServiceAccount -Identity $name -ErrorAction Stop)
        } catch { $answer.testError = $_.Exception.Message }
    }
}

# Who may log on as a service: told to administrators only.
$person = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if ($person.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Read-Part 'rights' {
        $copy = [IO.Path]::GetTempFileName()
        try {
            & "$env:SystemRoot\System32\secedit.exe" /export /areas USER_RIGHTS /cfg $copy /quiet | Out-Null
            $line = Get-Content -LiteralPath $copy | Where-Object { $_ -match '^SeServiceLogonRight\s*=' } | Select-Object -First 1
            if ($line) { $answer.logonRights = @(($line -split '=', 2)[1].Split(',') | ForEach-Object { $_.Trim().TrimStart('*') }) }
        } finally { Remove-Item -LiteralPath $copy -Force -ErrorAction SilentlyContinue }
    }
}
Write-Answer $answer
