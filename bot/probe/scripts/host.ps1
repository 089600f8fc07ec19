# The Windows under the agent: version, updates, .NET, TLS, policies and network cards.
$windows = Read-Part 'operating system' { Get-CimInstance -ClassName Win32_OperatingSystem }
$machine = Read-Part 'computer' { Get-CimInstance -ClassName Win32_ComputerSystem }
$load = Read-Part 'processor' {
    (Get-CimInstance -ClassName Win32_Processor | Measure-Object -Property LoadPercentage -Average).Average
}
$version = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion'
$schannel = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2'
$net = 'SOFTWARE\Microsoft\.NETFramework\v4.0.30319'
$net32 = 'SOFTWARE\Wow6432Node\Microsoft\.NETFramework\v4.0.30319'
$lanes = @{}
Read-Part 'network adapters' {
    Get-CimInstance -ClassName Win32_NetworkAdapter -Filter 'NetConnectionID IS NOT NULL' |
        ForEach-Object { $lanes[[int]$_.InterfaceIndex] = $_.NetConnectionID }
}
$cards = @(Read-Part 'network cards' {
    Get-CimInstance -ClassName Win32_NetworkAdapterConfiguration -Filter 'IPEnabled=TRUE' | ForEach-Object {
        [ordered]@{
            name = $(if ($lanes[[int]$_.InterfaceIndex]) { $lanes[[int]$_.InterfaceIndex] } else { $_.Description })
            addresses = @($_.IPAddress)
            gateways = @($_.DefaultIPGateway)
            dns = @($_.DNSServerSearchOrder)
            metric = $_.IPConnectionMetric
        }
    }
})
$updates = @(Read-Part 'updates' {
    Get-CimInstance -ClassName Win32_QuickFixEngineering | ForEach-Object { $_.HotFixID }
})
$policies = [ordered]@{}
Read-Part 'execution policy' { Get-ExecutionPolicy -List | ForEach-Object { $policies["$($_.Scope)"] = "$($_.ExecutionPolicy)" } }
Write-Answer ([ordered]@{
    name = $env:COMPUTERNAME
    domain = $machine.Domain
    domainRole = $machine.DomainRole
    caption = $windows.Caption
    build = $windows.BuildNumber
    revision = Get-RegistryValue $version 'UBR'
    editionId = Get-RegistryValue $version 'EditionID'
    installationType = Get-RegistryValue $version 'InstallationType'
    memoryBytes = $machine.TotalPhysicalMemory
    cpuPercent = $load
    bootedAt = Get-Stamp $windows.LastBootUpTime
    dotnetRelease = Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full' 'Release'
    tls = [ordered]@{
        clientEnabled = Get-RegistryValue "$schannel\Client" 'Enabled'
        clientDisabledByDefault = Get-RegistryValue "$schannel\Client" 'DisabledByDefault'
        serverEnabled = Get-RegistryValue "$schannel\Server" 'Enabled'
        serverDisabledByDefault = Get-RegistryValue "$schannel\Server" 'DisabledByDefault'
        strongCrypto = Get-RegistryValue "HKLM:\$net" 'SchUseStrongCrypto'
        strongCrypto32 = Get-RegistryValue "HKLM:\$net32" 'SchUseStrongCrypto'
        systemDefault = Get-RegistryValue "HKLM:\$net" 'SystemDefaultTlsVersions'
    }
    fips = Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Lsa\FipsAlgorithmPolicy' 'Enabled'
    override2025 = Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Policies\Microsoft\FeatureManagement\Overrides' '2362988687'
    updates = $updates
    policies = $policies
    cards = $cards
})
