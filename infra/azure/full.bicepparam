// Questions, and acts under approval. Copy it, change it, keep it with your own policy file.
using 'main.bicep'

param acts = true
param policy = loadTextContent('policy.toml')
param image = readEnvironmentVariable('BOT_IMAGE', '')
param alertMail = 'identity-oncall@contoso.com'

// A queue for each server with a probe, by the name it will be enrolled under. A server with an identity of its own gets
// its rights by that one's object id: { name: 'SRV-SYNC01', principalId: '…' }
param probes = [
  { name: 'SRV-SYNC01' }
]
