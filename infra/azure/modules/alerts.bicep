// What wakes somebody: lines of the bot's log (docs/observability.md), and its instances.

param name string
param location string
param workspaceId string
param appId string
param namespaceId string
param minReplicas int
param mail string
param actionGroupIds string[]
param tags object

// A line counts if its event is the one named, and `which` holds where there is one.
var pages = [
  {
    id: 'act-unknown'
    title: 'Nobody knows how an act ended'
    says: 'Look at the job in the portal, then tell the bot: settle ID done because …'
    severity: 1
    event: 'act outcome unknown'
    which: ''
  }
  {
    id: 'audit-broken'
    title: 'The audit is not whole'
    says: 'Run whysync audit verify and keep a copy of the store. Trust no approval until it is explained.'
    severity: 0
    event: 'audit not whole'
    which: ''
  }
  {
    id: 'audit-unsigned'
    title: 'Records of the audit wait for a signature for 15 minutes'
    says: 'Is the signing key readable (Key Vault Secrets User), and the store up?'
    severity: 1
    event: 'audit checkpoint overdue'
    which: ''
  }
  {
    id: 'rejects'
    title: 'More than ten activities a minute are not from Teams, or not from our tenant'
    says: 'Somebody tries the door, or APP_ID or TENANTS is wrong: the field reason says which check failed.'
    severity: 2
    event: 'activity refused'
    which: '| where tostring(line.outcome) in ("not-proven", "not-allowed") | summarize Refused = count() by bin(TimeGenerated, 1m) | where Refused > 10'
  }
  {
    id: 'probe-flapping'
    title: 'A probe\'s sessions begin again and again'
    says: 'Two servers with one key, or a network that cuts connections. Revoke and enrol anew if in doubt.'
    severity: 2
    event: 'probe session flapping'
    which: ''
  }
  {
    id: 'loop-blocked'
    title: 'The bot answered nobody for more than a second'
    says: 'Look at the CPU of the container; if it is low, report it with the lines around it.'
    severity: 2
    event: 'event loop blocked'
    which: '| where toint(line.dur_ms) > 1000'
  }
  {
    id: 'not-ready'
    title: 'An instance takes no work for more than a minute'
    says: 'The field reason says what it lacks: store, keys or token.'
    severity: 1
    event: 'not ready'
    which: '| where tostring(line.reason) != "draining" | join kind=leftouter (Ready) on ContainerGroupName | where isnull(Back) or TimeGenerated > Back | summarize Since = min(TimeGenerated) by ContainerGroupName | where Since < ago(1m)'
  }
]

var lines = 'ContainerAppConsoleLogs | where ContainerAppName == "${name}" | extend line = parse_json(Log)'
var ready = 'let Ready = ${lines} | where tostring(line.event) == "ready" | summarize Back = max(TimeGenerated) by ContainerGroupName;'

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(mail)) {
  name: name
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: take(name, 12)
    emailReceivers: [
      { name: 'mail', emailAddress: mail, useCommonAlertSchema: true }
    ]
  }
}

var groups = empty(mail) ? actionGroupIds : concat(actionGroupIds, [group!.id])

resource log 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for page in pages: {
  name: '${name}-${page.id}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'WhySync: ${page.title}'
    description: page.says
    severity: page.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: '${ready} ${lines} | where tostring(line.event) == "${page.event}" ${page.which}'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    // A line is said once, while what it tells of goes on: no alert may call itself resolved because time has passed.
    autoMitigate: false
    muteActionsDuration: 'PT1H'
    skipQueryValidation: true // the table is there after the first line only
    actions: { actionGroups: groups }
  }
}]

var counts = [
  {
    id: 'too-few'
    says: 'Fewer instances run than there should be: see the revision\'s state and its system log.'
    severity: 1
    scope: appId
    metric: 'Replicas'
    aggregation: 'Maximum'
    operator: 'LessThan'
    threshold: minReplicas
  }
  {
    id: 'restarts'
    says: 'An instance was restarted again and again: a setting that is refused says so in the last lines of its log.'
    severity: 1
    scope: appId
    metric: 'RestartCount'
    aggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: 2
  }
  {
    id: 'dead-letters'
    says: 'Messages that nobody could handle are left in the relay, and do not go away by themselves.'
    severity: 3
    scope: namespaceId
    metric: 'DeadletteredMessages'
    aggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: 100
  }
]

resource count 'Microsoft.Insights/metricAlerts@2018-03-01' = [for each in counts: {
  name: '${name}-${each.id}'
  location: 'global'
  tags: tags
  properties: {
    description: each.says
    severity: each.severity
    enabled: true
    scopes: [each.scope]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: each.id
          criterionType: 'StaticThresholdCriterion'
          metricName: each.metric
          timeAggregation: each.aggregation
          operator: each.operator
          threshold: each.threshold
        }
      ]
    }
    actions: [for id in groups: { actionGroupId: id }]
  }
}]
