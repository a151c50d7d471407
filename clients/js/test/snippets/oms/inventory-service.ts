// In your inventory service
import { WebSocketClientService } from '@lib/websocket-client';

@Injectable()
export class InventoryService {
  constructor(
    private readonly webSocketClient: WebSocketClientService,
    // ... other dependencies
  ) {}

  async updateInventory(productId, newQuantity) {
    // Get current inventory
    const inventory = await this.inventoryRepository.findOne({ productId });
    const previousQuantity = inventory.quantity;

    // Update inventory
    inventory.quantity = newQuantity;
    await this.inventoryRepository.save(inventory);

    // Trigger WebSocket notifications based on quantity changes
    await this.webSocketClient.triggerInventoryNotifications({
      productId: inventory.productId,
      productName: inventory.product.name,
      currentQuantity: newQuantity,
      previousQuantity: previousQuantity,
      threshold: inventory.lowStockThreshold,
    });

    return inventory;
  }
}
