// The relay to the probes: a queue for each, one for all answers, and one that the bot tries itself.
// Rights are given on single queues: a probe reads its own and writes answers, and nothing else. docs/probes.md

import { roleIds } from 'roles.bicep'

@export()
type probe = {
  @description('The name it is enrolled under, for example SRV-SYNC01.')
  @minLength(1)
  @maxLength(63)
  name: string

  @description('Object id of its own identity: the service principal of its certificate, or its Azure Arc identity. Left out: no rights.')
  principalId: string?
}

@minLength(6)
@maxLength(50)
param name string
param location string
param probes probe[]
param probeKeys bool
param principalId string
param tags object

var receiver = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusReceiver)
var sender = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.serviceBusSender)

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Standard' }
  properties: {
    disableLocalAuth: !probeKeys
    minimumTlsVersion: '1.2'
  }
}

// What nobody fetched in time is thrown away: the bot has long since said that the server is silent.
resource requests 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for each in probes: {
  parent: namespace
  name: 'req-${toLower(each.name)}'
  properties: {
    defaultMessageTimeToLive: 'PT60S'
    lockDuration: 'PT1M'
    maxDeliveryCount: 2
    deadLetteringOnMessageExpiration: false
  }
}]

resource replies 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'replies'
  properties: {
    defaultMessageTimeToLive: 'PT5M'
    lockDuration: 'PT1M'
    maxDeliveryCount: 2
    deadLetteringOnMessageExpiration: false
  }
}

resource canary 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = {
  parent: namespace
  name: 'canary'
  properties: {
    defaultMessageTimeToLive: 'PT1M'
    lockDuration: 'PT1M'
    maxDeliveryCount: 2
    deadLetteringOnMessageExpiration: false
  }
}

resource botAsks 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (each, index) in probes: {
  name: guid(requests[index].id, principalId, roleIds.serviceBusSender)
  scope: requests[index]
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: sender
  }
}]

resource botHears 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(replies.id, principalId, roleIds.serviceBusReceiver)
  scope: replies
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: receiver
  }
}

resource botTries 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [roleIds.serviceBusSender, roleIds.serviceBusReceiver]: {
  name: guid(canary.id, principalId, role)
  scope: canary
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource probeHears 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (each, index) in probes: if (!empty(each.?principalId)) {
  name: guid(requests[index].id, each.?principalId ?? '', roleIds.serviceBusReceiver)
  scope: requests[index]
  properties: {
    principalId: each.?principalId ?? ''
    principalType: 'ServicePrincipal'
    roleDefinitionId: receiver
  }
}]

resource probeAnswers 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for each in probes: if (!empty(each.?principalId)) {
  name: guid(replies.id, each.?principalId ?? '', roleIds.serviceBusSender)
  scope: replies
  properties: {
    principalId: each.?principalId ?? ''
    principalType: 'ServicePrincipal'
    roleDefinitionId: sender
  }
}]

resource probeKey 'Microsoft.ServiceBus/namespaces/AuthorizationRules@2024-01-01' = if (probeKeys) {
  parent: namespace
  name: 'probes'
  properties: {
    rights: ['Listen', 'Send']
  }
}

output id string = namespace.id

// The host by its full name: the bot takes namespaces of the public cloud alone.
#disable-next-line no-hardcoded-env-urls
output host string = '${namespace.name}.servicebus.windows.net'
output queues string[] = [for (each, index) in probes: requests[index].name]
