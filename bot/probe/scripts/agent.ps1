# The agent's installation: its registry key (named values only), its program file, and certificates that may be its own.
$key = 'HKLM:\SOFTWARE\Microsoft\Azure AD Connect Agents\Azure AD Connect Provisioning Agent'
$folder = Get-RegistryValue $key 'InstallDir'
if (-not $folder) { $folder = Join-Path $env:ProgramFiles 'Microsoft Azure AD Connect Provisioning Agent' }
$program = Join-Path $folder 'AADConnectProvisioningAgent.exe'
$file = $null
if (Test-Path -LiteralPath $program) { $file = Read-Part 'program file' { Get-Item -LiteralPath $program } }
$programs = @(Read-Part 'installed programs' {
    foreach ($place in 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall',
        'HKLM:\SOFTWARE\Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall') {
        if (-not (Test-Path -LiteralPath $place)) { continue }
        Get-ChildItem -LiteralPath $place | ForEach-Object {
            $name = "$($_.GetValue('DisplayName'))"
            if ($name -match 'Provisioning Agent|Agent Updater') {
                [ordered]@{ name = $name; version = "$($_.GetValue('DisplayVersion'))"; installed = "$($_.GetValue('InstallDate'))" }
            }
        }
    }
})
# Subject, issuer and dates; neither keys nor the certificates of others.
$certificates = @(Read-Part 'certificates' {
    Get-ChildItem -LiteralPath 'Cert:\LocalMachine\My' | Where-Object { $_.Issuer -match 'msappproxy\.' } | ForEach-Object {
        [ordered]@{
            subject = $_.Subject; issuer = $_.Issuer; thumbprint = $_.Thumbprint
            notBefore = Get-Stamp $_.NotBefore; notAfter = Get-Stamp $_.NotAfter
        }
    }
})
Write-Answer ([ordered]@{
    registered = Test-Path -LiteralPath $key
    tenantId = Get-RegistryValue $key 'TenantID'
    serviceName = Get-RegistryValue $key 'ServiceName'
    ldapTimeout = Get-RegistryValue $key 'LdapConnectionTimeoutInMilliseconds'
    referrals = Get-RegistryValue $key 'ReferralChasingOptions'
    program = $(if ($file) { $program })
    version = $(if ($file) { $file.VersionInfo.FileVersion })
    programWritten = $(if ($file) { Get-Stamp $file.LastWriteTimeUtc })
    programCreated = $(if ($file) { Get-Stamp $file.CreationTimeUtc })
    programs = $programs
    certificates = $certificates
})
