// How services tell what happened, whatever their HTTP client is and whatever becomes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { crossing, WebSocketClientService } from '@stockd/client/oms';
import { of, throwError } from 'rxjs';

const ORDER = { orderId: '123', aliasId: 'ORDER-456', userId: 789, totalAmount: 99.99, status: 'created' };
const CONFIG = { API_GATEWAY_URL: 'http://stockd:8080/', API_GATEWAY_TOKEN: 'a-token' };

/** A service whose requests are kept in `posted` and answered by `answer`. */
function service(answer, config = CONFIG) {
  const posted = [];
  const http = { post: (...request) => (posted.push(request), answer()) };
  return { posted, service: new WebSocketClientService(http, new Map(Object.entries(config))) };
}

test('an order is posted with the token, by clients that answer with observables or promises', async () => {
  for (const answer of [() => of({ status: 201 }), async () => ({ status: 201 })]) {
    const { posted, service: told } = service(answer);
    assert.equal(await told.notifyOrderCreated(ORDER), true);
    const url = 'http://stockd:8080/websocket/notifications/order-created';
    assert.deepEqual(posted, [[url, ORDER, { headers: { Authorization: 'Bearer a-token' } }]]);
  }
});

test('without a token none is sent, and without an address it does not start', async () => {
  const { posted, service: told } = service(async () => {}, { API_GATEWAY_URL: 'http://stockd:8080' });
  await told.broadcast({ type: 'system', title: 't', message: 'm' });
  assert.deepEqual(posted[0][2], { headers: {} });
  assert.throws(() => service(async () => {}, {}), /API_GATEWAY_URL is not set/);
});

test('what fails is false and a line that tells no secret', async (context) => {
  const warn = context.mock.method(console, 'warn', () => {});
  const problem = Object.assign(new Error('connect ECONNREFUSED'), { config: { headers: 'Bearer a-token' } });
  for (const answer of [() => throwError(() => problem), () => Promise.reject(problem)]) {
    assert.equal(await service(answer).service.notifyOrderCreated(ORDER), false);
    const words = warn.mock.calls.at(-1).arguments.join();
    assert.match(words, /order-created.*ECONNREFUSED/);
    assert.doesNotMatch(words, /a-token/);
  }
});

test('a quantity that crosses its threshold calls for one alert, and any other for none', async () => {
  for (const [before, now, alert] of [
    [11, 10, 'low_stock'],
    [11, 0, 'out_of_stock'],
    [5, 0, 'out_of_stock'],
    [5, -1, 'out_of_stock'],
    [10, 11, 'restocked'],
    [0, 11, 'restocked'],
    [0, 5, undefined],
    [9, 8, undefined],
    [0, -1, undefined],
    [12, 11, undefined],
  ]) {
    assert.equal(crossing(before, now, 10), alert, `${before} to ${now}`);
    const { posted, service: told } = service(async () => {});
    const change = { productId: 101, productName: 'A scarf', previousQuantity: before, currentQuantity: now };
    assert.equal(await told.triggerInventoryNotifications(change), true);
    const body = { productId: 101, productName: 'A scarf', currentQuantity: now, threshold: 10, alertType: alert };
    assert.deepEqual(posted.map(([, sent]) => sent), alert ? [body] : []);
  }
});
