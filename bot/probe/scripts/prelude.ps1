# What every script of the probe begins with. The scripts read; nothing from outside is ever put into them.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    '{"refused":"PowerShell runs in constrained language mode for this account"}'
    exit 0
}
$notes = New-Object System.Collections.ArrayList

# What could not be read is noted, and the rest goes on.
function Read-Part([string]$What, [scriptblock]$Read) {
    try { & $Read } catch { [void]$notes.Add("${What}: $($_.Exception.Message)") }
}

function Get-Stamp($When) {
    if ($null -eq $When) { return $null }
    try { return ([datetime]$When).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ') } catch { return $null }
}

function Get-RegistryValue([string]$Key, [string]$Name) {
    try { return (Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction Stop).$Name } catch { return $null }
}

# Bytes of UTF-8, whatever code page the console has: a service has none at all.
function Write-Answer([System.Collections.IDictionary]$Data) {
    $Data['notes'] = @($notes)
    $json = ConvertTo-Json -InputObject $Data -Depth 6 -Compress
    $bytes = (New-Object System.Text.UTF8Encoding($false)).GetBytes($json)
    $out = [Console]::OpenStandardOutput()
    $out.Write($bytes, 0, $bytes.Length)
    $out.Flush()
}
