// The bot in Azure: everything it stands on, what it may reach, and what wakes somebody. How to run it: docs/install.md.
// Run without `image` first: then all is made but the bot itself, and there is a registry to put its image into.
targetScope = 'resourceGroup'

import { probe } from 'modules/relay.bicep'

@description('Beginning of all names. Part of the address of the bot.')
@minLength(3)
@maxLength(12)
param name string = 'whysync'

@description('The region of everything; by default that of the resource group.')
param location string = resourceGroup().location

@description('The image to run, for example ACCOUNT.azurecr.io/whysync:1. Empty: the bot itself is not made yet.')
param image string = ''

@description('The text of the policy file: who may ask what and change what. docs/policy.md')
@secure()
param policy string = ''

@description('false: a read-only deployment. The bot then offers no acts, whatever the policy file says. Grant its permissions with -ReadOnly.')
param acts bool

@description('One entry for each on-premises server with a probe: each gets a queue of its own.')
param probes probe[] = []

@description('true: also a key for probes that have no identity of their own. One key for the namespace: docs/probes.md')
param probeKeys bool = false

@description('Fewest and most instances. Two or more: an update and a failed machine go unnoticed.')
@minValue(1)
param minReplicas int = 2
@minValue(1)
@maxValue(10)
param maxReplicas int = 4

@description('https address under which the bot is reached, if it has a domain of its own; else that of the environment.')
param publicUrl string = ''

@description('Who runs the bot, and where its pages send people with questions.')
@maxLength(32)
param organization string = ''
param supportUrl string = ''

@description('ZRS survives the loss of a data centre; take LRS where a region has no zones.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storeRedundancy string = 'Standard_ZRS'

@description('How long the logs are kept. They hold the signatures of the audit.')
@minValue(30)
@maxValue(730)
param retentionDays int = 90

@description('Traces and numbers to Application Insights as well.')
param insights bool = false

@allowed(['DEBUG', 'INFO', 'WARNING', 'ERROR'])
param logLevel string = 'INFO'

@description('Where alerts go by mail. Empty: only to the action groups named here.')
param alertMail string = ''
param actionGroupIds string[] = []

@description('false: a deleted vault can be purged at once, signing key and all. Only for a trial.')
param purgeProtection bool = true

param tags object = {}

var suffix = uniqueString(resourceGroup().id)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

module logs 'modules/logs.bicep' = {
  name: 'logs'
  params: {
    name: name
    location: location
    retentionDays: retentionDays
    tags: tags
  }
}

module store 'modules/store.bicep' = {
  name: 'store'
  params: {
    name: '${take(replace(name, '-', ''), 11)}${suffix}'
    location: location
    redundancy: storeRedundancy
    principalId: identity.properties.principalId
    tags: tags
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    name: take('${name}-${suffix}', 24)
    location: location
    purgeProtection: purgeProtection
    principalId: identity.properties.principalId
    workspaceId: logs.outputs.workspaceId
    tags: tags
  }
}

module relay 'modules/relay.bicep' = {
  name: 'relay'
  params: {
    name: '${name}-${suffix}'
    location: location
    probes: probes
    probeKeys: probeKeys
    principalId: identity.properties.principalId
    tags: tags
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  params: {
    name: '${replace(name, '-', '')}${suffix}'
    location: location
    principalId: identity.properties.principalId
    tags: tags
  }
}

module environment 'modules/environment.bicep' = {
  name: 'environment'
  params: {
    name: name
    location: location
    workspaceId: logs.outputs.workspaceId
    tags: tags
  }
}

var url = empty(publicUrl) ? 'https://${name}.${environment.outputs.domain}' : publicUrl

module bot 'modules/bot.bicep' = if (!empty(image)) {
  name: 'bot'
  params: {
    name: name
    location: location
    environmentId: environment.outputs.id
    image: image
    registry: registry.outputs.server
    identityId: identity.id
    clientId: identity.properties.clientId
    principalId: identity.properties.principalId
    policy: policy
    acts: acts
    store: store.outputs.url
    serviceBus: relay.outputs.host
    signingKey: vault.outputs.signingKey
    publicUrl: url
    organization: organization
    supportUrl: supportUrl
    logLevel: logLevel
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    insights: insights
    workspaceId: logs.outputs.workspaceId
    tags: tags
  }
}

module teams 'modules/teams.bicep' = {
  name: 'teams'
  params: {
    name: '${name}-${suffix}'
    identityId: identity.id
    clientId: identity.properties.clientId
    endpoint: '${url}/api/messages'
    tags: tags
  }
}

module alerts 'modules/alerts.bicep' = if (!empty(image)) {
  name: 'alerts'
  params: {
    name: name
    location: location
    workspaceId: logs.outputs.workspaceId
    appId: bot!.outputs.id
    namespaceId: relay.outputs.id
    minReplicas: minReplicas
    mail: alertMail
    actionGroupIds: actionGroupIds
    tags: tags
  }
}

@description('The application id of the bot: for the Teams package.')
output appId string = identity.properties.clientId

@description('The object id of the bot: for grant.ps1.')
output principalId string = identity.properties.principalId
output url string = url
output registry string = registry.outputs.name
output registryServer string = registry.outputs.server
output vault string = vault.outputs.name
output serviceBus string = relay.outputs.host
output queues string[] = relay.outputs.queues
output workspaceId string = logs.outputs.workspaceId
