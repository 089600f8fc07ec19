# The services that the agent consists of and depends on: state, start mode, account, since when.
$filter = "Name='AADConnectProvisioningAgent' OR Name='AzureADConnectAgentUpdater' OR " +
    "Name='AADConnectProvisioningAgentUpdater' OR Name='VaultSvc' OR Name='Netlogon' OR Name='W32Time' OR " +
    "Name='Dnscache' OR Name='ADSync'"
$rows = @(Get-CimInstance -ClassName Win32_Service -Filter $filter | ForEach-Object {
    $service = $_
    $key = "HKLM:\SYSTEM\CurrentControlSet\Services\$($service.Name)"
    $process = $null
    if ($service.ProcessId) {
        $process = Read-Part "process of $($service.Name)" {
            Get-CimInstance -ClassName Win32_Process -Filter "ProcessId=$([int]$service.ProcessId)"
        }
    }
    [ordered]@{
        name = $service.Name
        display = $service.DisplayName
        state = $service.State
        startMode = $service.StartMode
        delayed = Get-RegistryValue $key 'DelayedAutostart'
        account = $service.StartName
        started = $(if ($process) { Get-Stamp $process.CreationDate })
        exitCode = $service.ExitCode
        managed = $(if (Get-RegistryValue $key 'ServiceAccountManaged') { [int]@(Get-RegistryValue $key 'ServiceAccountManaged')[0] })
    }
})
# When one that is stopped now was last heard of by the service manager.
$changes = @(Read-Part 'System log' {
    try {
        Get-WinEvent -MaxEvents 300 -FilterHashtable @{
            LogName = 'System'; ProviderName = 'Service Control Manager'; Id = 7031, 7034, 7036
            StartTime = (Get-Date).AddDays(-7)
        } | ForEach-Object { [ordered]@{ at = Get-Stamp $_.TimeCreated; id = $_.Id; about = "$($_.Properties[0].Value)" } }
    } catch { if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound*') { throw } }
})
Write-Answer ([ordered]@{ services = $rows; changes = $changes })
