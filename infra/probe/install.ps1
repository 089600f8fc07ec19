<#
.SYNOPSIS
Installs or upgrades the WhySync probe on this server. Run again, it upgrades; with -WhatIf it only tells.

.DESCRIPTION
Makes a virtual environment from packages with known hashes, a service under an account of its own, and two folders
that only this account and administrators may read. Opens no port, changes no user right, no policy and no firewall.
docs/probe-install.md says what the probe may and may not do, and how to remove it.

.PARAMETER Token
The line that the bot gave an administrator. Left out, it is asked for when this server is not enrolled yet, so that
it stands in no log of command lines.

.PARAMETER PolicyPath
The local policy file. It is copied to where the service may read it but not write it.

.PARAMETER Account
A group managed service account, DOMAIN\name$. Left out: the virtual account NT SERVICE\WhySyncProbe.

.PARAMETER Python
python.exe of a Python 3.11 or newer that is installed for all users. Left out, the newest in the registry.

.PARAMETER Wheel
The package whysync-*.whl. Left out, the one beside this script.

.PARAMETER WheelHash
SHA-256 of that file, as its publisher tells it.

.PARAMETER Wheelhouse
A folder with the packages of requirements.lock, for a server that reaches no package index.

.PARAMETER NoEnrol
Installs without enrolling.
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
param(
    [string]$Token,
    [string]$PolicyPath,
    [ValidatePattern('^(NT SERVICE\\WhySyncProbe|[A-Za-z0-9.-]+\\[A-Za-z0-9._-]+\$)$')]
    [string]$Account = 'NT SERVICE\WhySyncProbe',
    [string]$Python,
    [string]$Wheel,
    [ValidatePattern('^([0-9A-Fa-f]{64})?$')]
    [string]$WheelHash,
    [string]$Wheelhouse,
    [switch]$NoEnrol
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$Service = 'WhySyncProbe'
$Programs = Join-Path $env:ProgramFiles 'WhySync\Probe'
$Data = Join-Path $env:ProgramData 'WhySync'
$State = Join-Path $Data 'Probe'
$Policy = Join-Path $Data 'probe.toml'
$System = '*S-1-5-18'
$Administrators = '*S-1-5-32-544'
$Tools = Join-Path $env:SystemRoot 'System32'

# Runs a program and stops when it fails.
function Invoke-Program([string]$File, [string[]]$Arguments) {
    & $File @Arguments | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "$File ended with $LASTEXITCODE" }
}

# Runs a program whose failure is worth a warning and no more.
function Invoke-Attempt([string]$File, [string[]]$Arguments, [string]$Otherwise) {
    & $File @Arguments | Out-Null
    if ($LASTEXITCODE -ne 0) { Write-Warning "$Otherwise ($File ended with $LASTEXITCODE)" }
}

function Assert-Administrator {
    $me = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
    if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'Run this in a PowerShell that was started as administrator.'
    }
    if (-not [Environment]::Is64BitProcess) { throw 'Run this in the 64-bit PowerShell.' }
}

# Who may write a program that a service runs may run anything as that service.
function Assert-OnlyAdministratorsWrite([string]$Path) {
    $trusted = 'S-1-5-18', 'S-1-5-32-544', 'S-1-3-0', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
    $writing = [Security.AccessControl.FileSystemRights]'WriteData, AppendData, Delete, ChangePermissions, TakeOwnership'
    foreach ($rule in (Get-Acl -LiteralPath $Path).GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
        $inheritOnly = $rule.PropagationFlags -band [Security.AccessControl.PropagationFlags]::InheritOnly
        if ($rule.AccessControlType -ne 'Allow' -or $inheritOnly) { continue }
        if (($rule.FileSystemRights -band $writing) -and ($trusted -notcontains $rule.IdentityReference.Value)) {
            throw "$Path can be changed by $($rule.IdentityReference.Value), who is no administrator. Install Python for all users below $env:ProgramFiles."
        }
    }
}

# The newest Python that is installed for all users; those of a single user cannot be trusted with a service.
function Find-Python {
    if ($Python) { return (Resolve-Path -LiteralPath $Python).ProviderPath }
    $found = @(Get-ChildItem -Path 'HKLM:\SOFTWARE\Python\PythonCore' -ErrorAction SilentlyContinue |
        Where-Object { $_.PSChildName -match '^3\.(\d+)$' -and [int]$Matches[1] -ge 11 } |
        Sort-Object { [version]$_.PSChildName } -Descending |
        ForEach-Object { Get-ItemProperty -LiteralPath (Join-Path $_.PSPath 'InstallPath') -ErrorAction SilentlyContinue } |
        Where-Object { $_ -and $_.PSObject.Properties['ExecutablePath'] } |
        ForEach-Object { $_.ExecutablePath } |
        Where-Object { Test-Path -LiteralPath $_ })
    if (-not $found.Count) { throw 'No Python 3.11 or newer is installed for all users. Install one, or name it with -Python.' }
    return $found[0]
}

function Assert-Python([string]$File) {
    Assert-OnlyAdministratorsWrite $File
    Assert-OnlyAdministratorsWrite (Split-Path $File)
    $told = & $File -I -c 'import sys, venv, ensurepip; print(sys.version_info >= (3, 11), sys.prefix == sys.base_prefix, sys.maxsize > 2**32)'
    if ($LASTEXITCODE -ne 0 -or "$told" -ne 'True True True') {
        throw "$File must be a 64-bit Python 3.11 or newer, with venv and pip, and no virtual environment itself."
    }
}

function Find-Wheel {
    $files = @(if ($Wheel) { Get-Item -LiteralPath $Wheel } else { Get-ChildItem -Path (Join-Path $PSScriptRoot 'whysync-*.whl') })
    if ($files.Count -ne 1) { throw "Exactly one whysync-*.whl is needed beside this script, and $($files.Count) are there. Name it with -Wheel." }
    if ($WheelHash -and (Get-FileHash -LiteralPath $files[0].FullName -Algorithm SHA256).Hash -ne $WheelHash) {
        throw "$($files[0].Name) is not the file with the hash that was given."
    }
    return $files[0].FullName
}

function Assert-Account {
    if (-not $Account.EndsWith('$')) { return }
    if (-not (Get-Module -ListAvailable -Name ActiveDirectory)) {
        Write-Warning "Whether this server may fetch the password of $Account cannot be tested without the ActiveDirectory module."
        return
    }
    Import-Module ActiveDirectory
    $name = ($Account -split '\\')[1]
    if (-not (Test-ADServiceAccount -Identity $name)) {
        throw "This server may not fetch the password of $Account. Add it to PrincipalsAllowedToRetrieveManagedPassword and restart it."
    }
}

# ProgramData lets everybody make folders: one that somebody else made before us is not used.
function Assert-OwnFolder([string]$Path) {
    if (-not (Test-Path -LiteralPath $Path)) { return }
    $item = Get-Item -LiteralPath $Path -Force
    if ($item.Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "$Path leads somewhere else." }
    $owner = (Get-Acl -LiteralPath $Path).GetOwner([Security.Principal.SecurityIdentifier]).Value
    if ('S-1-5-18', 'S-1-5-32-544' -notcontains $owner) { throw "$Path belongs to $owner and not to the administrators. Look into it and remove it first." }
}

# The environment is made beside the old one, so that a failure leaves the old one as it was.
function New-ProbeEnvironment([string]$Base, [string]$Package, [string]$Folder) {
    New-Item -ItemType Directory -Path $Programs -Force | Out-Null
    Assert-OnlyAdministratorsWrite $Programs
    try {
        Invoke-Program $Base @('-I', '-m', 'venv', $Folder)
        $inside = Join-Path $Folder 'Scripts\python.exe'
        $pip = @('-I', '-m', 'pip', '--disable-pip-version-check', '--no-input', 'install', '--only-binary', ':all:')
        $source = @()
        if ($Wheelhouse) { $source = @('--no-index', '--find-links', (Resolve-Path -LiteralPath $Wheelhouse).ProviderPath) }
        Invoke-Program $inside ($pip + $source + @('--require-hashes', '--requirement', (Join-Path $PSScriptRoot 'requirements.lock')))
        Invoke-Program $inside ($pip + @('--no-index', '--no-deps', $Package))
        Invoke-Program $inside @('-I', '-m', 'bot', 'probe', '--help')
    } catch {
        Remove-Item -LiteralPath $Folder -Recurse -Force -ErrorAction SilentlyContinue
        throw
    }
    return $inside
}

# python.exe is no service: service_host.py speaks with the service manager and runs the probe as its child.
function Get-CommandLine([string]$Base, [string]$Folder) {
    $part = @(
        $Base, '-I', (Join-Path $Folder 'Lib\site-packages\infra\probe\service_host.py'), $Service, (Join-Path $State 'service.log'),
        '--', (Join-Path $Folder 'Scripts\python.exe'), '-I', '-m', 'bot', 'probe', 'run', '--policy', $Policy, '--state', $State
    )
    return ($part | ForEach-Object { if ($_ -match '\s') { '"' + $_ + '"' } else { $_ } }) -join ' '
}

function Set-ProbeService([string]$CommandLine) {
    if (Get-Service -Name $Service -ErrorAction SilentlyContinue) {
        Stop-Service -Name $Service -Force
    } else {
        New-Service -Name $Service -DisplayName 'WhySync Probe' -StartupType Manual -BinaryPathName $CommandLine `
            -Description 'Looks at this server for WhySync when it is asked to: named checks only, outbound connections only.' | Out-Null
    }
    $instance = Get-CimInstance -ClassName Win32_Service -Filter "Name='WhySyncProbe'"
    $done = Invoke-CimMethod -InputObject $instance -MethodName Change -Arguments @{
        PathName = $CommandLine; DesktopInteract = $false
    }
    if ($done.ReturnValue -ne 0) { throw "The service could not be given its command line (code $($done.ReturnValue))." }
    $sc = Join-Path $Tools 'sc.exe'
    # Without a password: neither kind of account has one that anybody knows.
    Invoke-Program $sc @('config', $Service, 'obj=', $Account)
    if ($Account.EndsWith('$')) { Invoke-Program $sc @('managedaccount', $Service, 'true') }
    Invoke-Program $sc @('config', $Service, 'start=', 'delayed-auto')
    Invoke-Program $sc @('failure', $Service, 'reset=', '86400', 'actions=', 'restart/5000/restart/30000/restart/300000')
    Invoke-Program $sc @('failureflag', $Service, '1')
    # All that it needs of the privileges of a service; without this it could act for whoever connects to it.
    Invoke-Program $sc @('privs', $Service, 'SeChangeNotifyPrivilege')
}

# The account may read the policy and write its own folder; nobody but administrators may do either beside it.
function Set-FolderRights {
    $icacls = Join-Path $Tools 'icacls.exe'
    foreach ($folder in $Data, $State) {
        Assert-OwnFolder $folder
        New-Item -ItemType Directory -Path $folder -Force | Out-Null
    }
    Invoke-Program $icacls @($Data, '/inheritance:r', '/grant:r', "${System}:(OI)(CI)F", "${Administrators}:(OI)(CI)F", "${Account}:(OI)(CI)RX", '/q')
    Invoke-Program $icacls @($State, '/inheritance:r', '/grant:r', "${System}:(OI)(CI)F", "${Administrators}:(OI)(CI)F", "${Account}:(OI)(CI)M", '/q')
}

function Copy-Policy {
    if ($PolicyPath) {
        Copy-Item -LiteralPath $PolicyPath -Destination $Policy -Force
    } elseif (-not (Test-Path -LiteralPath $Policy)) {
        Set-Content -LiteralPath $Policy -Encoding ASCII -Value '# What the bot may ask this probe: docs/probe.md. This file wins over the bot.'
    }
}

function Register-EventSource {
    if (-not [Diagnostics.EventLog]::SourceExists($Service)) { New-EventLog -LogName Application -Source $Service }
}

# So that the agent's own channel can be read; on a domain controller the group is one of the domain's.
function Add-EventLogReader {
    if ((Get-CimInstance -ClassName Win32_ComputerSystem).DomainRole -ge 4) {
        Write-Warning "On a domain controller: add $Account to the domain's group Event Log Readers yourself, if the check eventlog says that it may not read."
        return
    }
    $group = (New-Object Security.Principal.SecurityIdentifier('S-1-5-32-573')).Translate([Security.Principal.NTAccount]).Value.Split('\')[1]
    Invoke-Attempt (Join-Path $Tools 'net.exe') @('localgroup', $group, $Account, '/add') "$Account was not added to $group, or is in it already."
}

function Register-Probe([string]$Inside) {
    $line = $Token
    if (-not $line) {
        $secret = Read-Host -AsSecureString -Prompt 'Token from the bot (enrol this server in the chat)'
        $line = (New-Object Net.NetworkCredential('', $secret)).Password
    }
    # By standard input, because command lines are logged and seen by others.
    $arguments = @('-I', '-m', 'bot', 'probe', 'enrol', '-', '--policy', $Policy, '--state', $State)
    $line | & $Inside @arguments | Out-Host
    if ($LASTEXITCODE -ne 0) { throw 'This server was not enrolled. Ask the bot for a new token and run this again.' }
}

function Test-Enrolled { return [bool]@(Get-ChildItem -LiteralPath $State -Filter 'identity.json' -ErrorAction SilentlyContinue).Count }

# A folder goes when the service no longer runs from it.
function Remove-OldEnvironments([string]$Current) {
    Get-ChildItem -LiteralPath $Programs -Directory | Where-Object { $_.FullName -ne $Current -and $_.Name -match '^env-\d{14}$' } |
        ForEach-Object { Remove-Item -LiteralPath $_.FullName -Recurse -Force -ErrorAction SilentlyContinue }
}

Assert-Administrator
$base = Find-Python
Assert-Python $base
$package = Find-Wheel
Assert-Account
Assert-OwnFolder $Data
Assert-OwnFolder $State
$folder = Join-Path $Programs ('env-' + (Get-Date).ToUniversalTime().ToString('yyyyMMddHHmmss'))
$commandLine = Get-CommandLine $base $folder

$inside = Join-Path $folder 'Scripts\python.exe'
if ($PSCmdlet.ShouldProcess($folder, "make a virtual environment with $base, and install $(Split-Path -Leaf $package) with the packages of requirements.lock")) {
    $inside = New-ProbeEnvironment $base $package $folder | Select-Object -Last 1
}
if ($PSCmdlet.ShouldProcess($Service, "make the service, or point it to the new environment, as $Account; it runs: $commandLine")) {
    Set-ProbeService $commandLine
}
if ($PSCmdlet.ShouldProcess("$Data, $State", "let only SYSTEM, administrators and $Account in")) { Set-FolderRights }
if ($PSCmdlet.ShouldProcess($Policy, 'put the local policy file there, if none is there or one was named')) { Copy-Policy }
if ($PSCmdlet.ShouldProcess('Application log', "make the event source $Service")) { Register-EventSource }
if ($PSCmdlet.ShouldProcess('Event Log Readers', "add $Account")) { Add-EventLogReader }
if (-not $NoEnrol -and ($Token -or -not (Test-Enrolled)) -and $PSCmdlet.ShouldProcess($State, 'make this server''s key and enrol it')) {
    Register-Probe $inside
}
if ($PSCmdlet.ShouldProcess($Service, 'start it, remove older environments, and look at this server once')) {
    if (Test-Enrolled) { Start-Service -Name $Service } else { Write-Warning 'Not enrolled yet, so the service is not started.' }
    Remove-OldEnvironments $folder
    & $inside -I -m bot probe check --policy $Policy | Out-Host
}
if ($Account.EndsWith('$')) {
    Write-Host "Deny $Account to log on locally and by Remote Desktop in your group policy, and let it log on as a service on this server."
}
