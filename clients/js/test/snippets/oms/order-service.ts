// In your order service
import { WebSocketClientService } from '@lib/websocket-client';

@Injectable()
export class OrderService {
  constructor(
    private readonly webSocketClient: WebSocketClientService,
    // ... other dependencies
  ) {}

  async createOrder(orderData) {
    // Create order logic
    const order = await this.orderRepository.save(orderData);

    // Trigger WebSocket notification
    await this.webSocketClient.notifyOrderCreated({
      orderId: order.id,
      aliasId: order.aliasId,
      userId: order.userId,
      totalAmount: order.totalAmount,
      status: order.status,
    });

    return order;
  }

  async updateOrderStatus(orderId, newStatus) {
    // Update order logic
    const order = await this.orderRepository.findOne(orderId);
    const previousStatus = order.status;
    order.status = newStatus;
    await this.orderRepository.save(order);

    // Trigger WebSocket notification
    await this.webSocketClient.notifyOrderStatusUpdate({
      orderId: order.id,
      aliasId: order.aliasId,
      userId: order.userId,
      newStatus: newStatus,
      previousStatus: previousStatus,
      message: `Order status updated from ${previousStatus} to ${newStatus}`,
    });

    return order;
  }
}
