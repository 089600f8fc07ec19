// Questions alone: no act is offered, and grant.ps1 -ReadOnly gives no right that could change anything.
using 'main.bicep'

param acts = false
param policy = loadTextContent('policy.toml')
param image = readEnvironmentVariable('BOT_IMAGE', '')
param alertMail = 'identity-oncall@contoso.com'
