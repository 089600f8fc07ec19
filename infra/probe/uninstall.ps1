<#
.SYNOPSIS
Removes the WhySync probe from this server. With -WhatIf it only tells.

.DESCRIPTION
Revoke the server in the chat as well: then its key is worth nothing, whoever has a copy.

.PARAMETER RemoveState
Also removes this server's key, its log of commands and its policy file.
#>
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
param([switch]$RemoveState)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$Service = 'WhySyncProbe'
$Programs = Join-Path $env:ProgramFiles 'WhySync\Probe'
$Data = Join-Path $env:ProgramData 'WhySync'
$Tools = Join-Path $env:SystemRoot 'System32'

$me = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'Run this in a PowerShell that was started as administrator.'
}

# Removes a folder of ours; one that leads somewhere else is left alone.
function Remove-Folder([string]$Path) {
    if (-not (Test-Path -LiteralPath $Path)) { return }
    if ((Get-Item -LiteralPath $Path -Force).Attributes -band [IO.FileAttributes]::ReparsePoint) { throw "$Path leads somewhere else." }
    Remove-Item -LiteralPath $Path -Recurse -Force
}

# By its number, because the group has another name in every language.
function Remove-EventLogReader([string]$Account) {
    if ((Get-CimInstance -ClassName Win32_ComputerSystem).DomainRole -ge 4) { return }
    $group = (New-Object Security.Principal.SecurityIdentifier('S-1-5-32-573')).Translate([Security.Principal.NTAccount]).Value.Split('\')[1]
    & (Join-Path $Tools 'net.exe') localgroup $group $Account /delete | Out-Null
}

$installed = Get-CimInstance -ClassName Win32_Service -Filter "Name='WhySyncProbe'"
if ($installed -and $PSCmdlet.ShouldProcess($Service, 'stop and remove the service')) {
    Stop-Service -Name $Service -Force
    Remove-EventLogReader $installed.StartName
    & (Join-Path $Tools 'sc.exe') delete $Service | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "The service could not be removed (code $LASTEXITCODE)." }
}
if ($PSCmdlet.ShouldProcess($Programs, 'remove the program')) { Remove-Folder $Programs }
if ([Diagnostics.EventLog]::SourceExists($Service) -and $PSCmdlet.ShouldProcess($Service, 'remove the event source')) {
    Remove-EventLog -Source $Service
}
if ($RemoveState -and $PSCmdlet.ShouldProcess($Data, 'remove the key, the log of commands and the policy file')) { Remove-Folder $Data }
if (-not $RemoveState) { Write-Host "The key, the log of commands and the policy file are left in $Data." }
Write-Host 'Revoke this server in the chat as well.'
