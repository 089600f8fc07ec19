// A bare echo bot on botbuilder for Node: checks who calls, and says the same words back.
const http = require("node:http");
const { CloudAdapter } = require("botbuilder");
const { BotFrameworkAuthenticationFactory, AuthenticationConstants } = require("botframework-connector");

const { APP_ID, OPENID_URL, CONNECTOR_TOKEN, PORT } = process.env;

// As WhySync is run here: tokens that come in are checked, the one that goes out is at hand.
const credentials = {
  isValidAppId: async (appId) => appId === APP_ID,
  isAuthenticationDisabled: async () => false,
  createCredentials: async () => ({
    signRequest: async (request) => {
      request.headers.set("authorization", `Bearer ${CONNECTOR_TOKEN}`);
      return request;
    },
  }),
};

const authentication = BotFrameworkAuthenticationFactory.create(
  "",
  true,
  AuthenticationConstants.ToChannelFromBotLoginUrl,
  AuthenticationConstants.ToChannelFromBotOAuthScope,
  AuthenticationConstants.ToBotFromChannelTokenIssuer,
  AuthenticationConstants.OAuthUrl,
  OPENID_URL,
  AuthenticationConstants.ToBotFromEmulatorOpenIdMetadataUrl,
  "",
  credentials,
  { requiredEndorsements: [] },
);
const adapter = new CloudAdapter(authentication);

async function echo(context) {
  if (context.activity.type === "message") {
    await context.sendActivity(context.activity.text);
  }
}

// The few words of Express that the adapter speaks, over Node's own server: less work than any framework.
function spoken(response) {
  response.status = (code) => ((response.statusCode = code), response);
  response.send = (body) => response.write(typeof body === "string" ? body : JSON.stringify(body));
  response.header = (name, value) => response.setHeader(name, value);
  return response;
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    if (request.method !== "POST") return response.writeHead(405).end();
    request.body = JSON.parse(Buffer.concat(parts).toString("utf8"));
    adapter.process(request, spoken(response), echo);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
