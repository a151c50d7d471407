import { useWebSocket } from '@/lib/hooks/useWebSocket';

function OrderList() {
  const ws = useWebSocket({
    autoConnect: true,
    namespaces: ['orders'],
    auth: { userId, role, sessionId, expiresAt }
  });

  useEffect(() => {
    const cleanup = ws.on('order:created', (order) => {
      // Update UI with new order
      console.log('New order:', order);
    });
    return cleanup;
  }, [ws]);

  return <div>{ws.isConnected ? 'Live' : 'Offline'}</div>;
}
