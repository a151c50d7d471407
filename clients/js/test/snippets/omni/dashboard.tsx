import { OrderStatusBadge, LiveCustomerCount, LiveSalesTicker } from '@/components/realtime';

function Dashboard() {
  return (
    <>
      <LiveCustomerCount showDetails />
      <LiveSalesTicker maxItems={10} />
      <OrderStatusBadge orderId="123" initialStatus="pending" />
    </>
  );
}
