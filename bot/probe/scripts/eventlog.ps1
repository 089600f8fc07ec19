# The event logs, as far as they concern the agent: the last day, and the first half hour after the agent's last start.
$day = (Get-Date).AddHours(-24)
$names = New-Object System.Collections.ArrayList
$started = $null
Read-Part 'services' {
    Get-CimInstance -ClassName Win32_Service -Filter ("Name='AADConnectProvisioningAgent' OR " +
        "Name='AzureADConnectAgentUpdater' OR Name='VaultSvc' OR Name='Netlogon' OR Name='W32Time'") | ForEach-Object {
        [void]$names.Add($_.Name)
        [void]$names.Add($_.DisplayName)
        if ($_.Name -eq 'AADConnectProvisioningAgent' -and $_.ProcessId) {
            $process = Get-CimInstance -ClassName Win32_Process -Filter "ProcessId=$([int]$_.ProcessId)"
            if ($process) { $script:started = $process.CreationDate }
        }
    }
}
$rows = New-Object System.Collections.ArrayList

function Read-Events([string]$What, [hashtable]$Filter, [int]$Most) {
    Read-Part $What {
        try {
            Get-WinEvent -FilterHashtable $Filter -MaxEvents $Most | ForEach-Object {
                $text = $_.Message
                if (-not $text) { $text = @($_.Properties | ForEach-Object { "$($_.Value)" }) -join ' | ' }
                if ($text.Length -gt 600) { $text = $text.Substring(0, 600) }
                [void]$rows.Add([ordered]@{
                    log = $_.LogName; at = Get-Stamp $_.TimeCreated; level = [int]$_.Level
                    id = $_.Id; source = $_.ProviderName; record = $_.RecordId; text = $text
                })
            }
        } catch {
            if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw }
        }
    }
}

# The channel has had several names.
$channels = @(Read-Part 'agent channels' {
    Get-WinEvent -ListLog '*ProvisioningAgent*/Admin', '*AgentUpdater*/Admin' -ErrorAction SilentlyContinue |
        Where-Object { $_.RecordCount -ne 0 } | ForEach-Object { $_.LogName }
})
foreach ($channel in $channels) {
    if ($channel -like '*Updater*') {
        Read-Events $channel @{ LogName = $channel; StartTime = $day; Level = 1, 2, 3 } 50
        continue
    }
    Read-Events $channel @{ LogName = $channel; StartTime = $day } 500
    if ($started -and $started -lt $day) {
        Read-Events $channel @{ LogName = $channel; StartTime = $started.AddMinutes(-2); EndTime = $started.AddMinutes(30) } 100
    }
}
Read-Events 'System (services)' @{ LogName = 'System'; StartTime = $day; Id = 7000, 7009, 7031, 7034, 7036, 7038, 7041 } 300
Read-Events 'System (domain, time)' @{ LogName = 'System'; StartTime = $day; Id = 5719, 5783, 9001, 9002, 36, 47, 50 } 100
Read-Events 'System (Schannel)' @{ LogName = 'System'; StartTime = $day; Id = 36871, 36874, 36887, 36888 } 100
Read-Events 'System (boot)' @{ LogName = 'System'; StartTime = (Get-Date).AddDays(-30); Id = 6005, 6006, 6008, 1074 } 40
foreach ($log in @(Get-WinEvent -ListLog '*Security-Netlogon/Operational' -ErrorAction SilentlyContinue)) {
    Read-Events $log.LogName @{ LogName = $log.LogName; StartTime = $day; Id = 9001, 9002 } 50
}
Write-Answer ([ordered]@{
    since = Get-Stamp $day
    started = Get-Stamp $started
    channels = $channels
    names = @($names)
    events = @($rows)
})
