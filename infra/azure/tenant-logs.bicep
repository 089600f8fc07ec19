// The tenant's provisioning and audit logs, kept in the bot's workspace beyond the 7 or 30 days that Entra keeps them.
// The bot does not need it: it asks Microsoft Graph. It takes rights over the whole tenant: docs/install.md, step 9.
targetScope = 'tenant'

@description('Output workspaceId of main.bicep.')
param workspaceId string

param name string = 'whysync'

resource logs 'microsoft.aadiam/diagnosticSettings@2017-04-01' = {
  name: name
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ProvisioningLogs', enabled: true }
      { category: 'AuditLogs', enabled: true }
    ]
  }
}
