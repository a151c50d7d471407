// Webhooks as the template of an app takes them: Shopify's own library checks the signature. Nothing is stored.
import '@shopify/shopify-api/adapters/node';
import { ApiVersion, shopifyApi } from '@shopify/shopify-api';
import { createServer } from 'node:http';

const [port, apiSecretKey] = process.argv.slice(2);
const shopify = shopifyApi({
  apiKey: 'bench', apiSecretKey, hostName: '127.0.0.1', isEmbeddedApp: false,
  apiVersion: Object.values(ApiVersion).at(-2),
});

createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', async () => {
    const rawBody = Buffer.concat(pieces).toString('utf8');
    const { valid } = await shopify.webhooks.validate({ rawBody, rawRequest: request, rawResponse: response });
    if (valid) JSON.parse(rawBody);
    response.writeHead(valid ? 200 : 401, { 'Content-Length': 0 });
    response.end();
  });
}).listen(Number(port), '127.0.0.1');
