// The bot itself: stateless instances of one image, each with the same settings. Names of settings: docs/settings.md

import { roleIds } from 'roles.bicep'

param name string
param location string
param environmentId string
param image string
param registry string
param identityId string
param clientId string
param principalId string
@secure()
param policy string
param acts bool
param store string
param serviceBus string
param signingKey string
param publicUrl string
param organization string
param supportUrl string
param logLevel string
param minReplicas int
param maxReplicas int
param insights bool
param workspaceId string
param tags object

var port = 3978
var policyFolder = '/etc/whysync'

resource traces 'Microsoft.Insights/components@2020-02-02' = if (insights) {
  name: name
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceId
    DisableLocalAuth: true
  }
}

resource tells 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (insights) {
  name: guid(traces.id, principalId, roleIds.metricsPublisher)
  scope: traces
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.metricsPublisher)
  }
}

var settings = [
  { name: 'WHYSYNC_APP_ID', value: clientId }
  { name: 'WHYSYNC_APP_TENANT_ID', value: tenant().tenantId }
  { name: 'WHYSYNC_APP_CREDENTIAL', value: 'managed_identity:${clientId}' }
  { name: 'WHYSYNC_HOST', value: '0.0.0.0' }
  { name: 'WHYSYNC_PORT', value: string(port) }
  // The ingress of Container Apps is one.
  { name: 'WHYSYNC_PROXIES', value: '1' }
  { name: 'WHYSYNC_LOG_LEVEL', value: logLevel }
  { name: 'WHYSYNC_POLICY', value: '${policyFolder}/policy.toml' }
  { name: 'WHYSYNC_PUBLIC_URL', value: publicUrl }
  { name: 'WHYSYNC_READ_ONLY', value: acts ? '0' : '1' }
  { name: 'WHYSYNC_SERVICEBUS', value: serviceBus }
  { name: 'WHYSYNC_SIGNING_KEY', value: signingKey }
  { name: 'WHYSYNC_STORE', value: store }
  // Not read by anybody: another policy makes another revision, so that it is taken up at once.
  { name: 'POLICY_VERSION', value: uniqueString(policy) }
]

var chosen = concat(
  empty(organization) ? [] : [{ name: 'WHYSYNC_ORGANIZATION', value: organization }],
  empty(supportUrl) ? [] : [{ name: 'WHYSYNC_SUPPORT_URL', value: supportUrl }],
  insights ? [{ name: 'WHYSYNC_APPLICATIONINSIGHTS', value: traces!.properties.ConnectionString }] : []
)

resource app 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        external: true
        targetPort: port
        transport: 'http'
        allowInsecure: false
      }
      registries: [
        { server: registry, identity: identityId }
      ]
      // Not secret, but the only kind of file that a container gets here without a storage key.
      secrets: [
        { name: 'policy', value: policy }
      ]
    }
    template: {
      // Running turns have 20 seconds to end, and what they opened some more to close.
      terminationGracePeriodSeconds: 60
      volumes: [
        { name: 'policy', storageType: 'Secret', secrets: [{ secretRef: 'policy', path: 'policy.toml' }] }
      ]
      containers: [
        {
          name: 'bot'
          image: image
          resources: { cpu: json('0.5'), memory: '1Gi' }
          env: concat(settings, chosen)
          volumeMounts: [
            { volumeName: 'policy', mountPath: policyFolder }
          ]
          probes: [
            {
              type: 'Startup'
              httpGet: { path: '/healthz', port: port }
              periodSeconds: 10
              failureThreshold: 10
              timeoutSeconds: 5
            }
            {
              type: 'Liveness'
              httpGet: { path: '/healthz', port: port }
              periodSeconds: 10
              failureThreshold: 6
              timeoutSeconds: 5
            }
            {
              type: 'Readiness'
              httpGet: { path: '/readyz', port: port }
              periodSeconds: 5
              failureThreshold: 2
              timeoutSeconds: 5
            }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [
          // Each probe holds a request open all the time, so this is far above what chats alone would ask for.
          { name: 'requests', http: { metadata: { concurrentRequests: '100' } } }
          // The work of a question is done after its request has been answered.
          { name: 'work', custom: { type: 'cpu', metadata: { type: 'Utilization', value: '70' } } }
        ]
      }
    }
  }
}

output id string = app.id
