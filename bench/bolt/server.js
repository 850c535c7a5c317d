// Bolt at its fastest: verify the signature, parse the form, acknowledge with a text. It stores nothing.
import { App, LogLevel } from '@slack/bolt';

const app = new App({
  signingSecret: process.env.SLACK_SIGNING_SECRET,
  // Without asking Slack who the bot is.
  authorize: async () => ({ botToken: 'xoxb-bench', botId: 'B1', botUserId: 'U1' }),
  endpoints: '/slack/commands',
  logLevel: LogLevel.ERROR,
});

app.command('/entryguard', async ({ command, ack }) => {
  await ack({ response_type: 'ephemeral', text: `Received: ${command.text}` });
});

await app.start({ port: Number(process.env.PORT), host: '127.0.0.1' });
console.log('ready');
