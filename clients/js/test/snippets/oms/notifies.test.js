// Jest test example
describe('WebSocket Integration', () => {
  let webSocketClient;

  beforeEach(() => {
    webSocketClient = new WebSocketClientService(httpService, configService);
  });

  it('should notify order creation', async () => {
    const orderData = {
      orderId: '123',
      aliasId: 'ORDER-456',
      userId: 789,
      totalAmount: 99.99,
      status: 'created'
    };

    const result = await webSocketClient.notifyOrderCreated(orderData);
    expect(result).toBe(true);
  });
});
