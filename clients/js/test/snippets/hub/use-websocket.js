import { useEffect, useState } from 'react';
import io from 'socket.io-client';

function useWebSocket(token) {
  const [socket, setSocket] = useState(null);
  const [connected, setConnected] = useState(false);

  useEffect(() => {
    const socketInstance = io('ws://localhost:8009', {
      auth: { token }
    });

    socketInstance.on('connected', (data) => {
      console.log('Connected:', data);
      setConnected(true);
    });

    socketInstance.on('order:status_updated', (data) => {
      // Handle order update
      showNotification(data.message);
    });

    socketInstance.on('disconnect', () => {
      setConnected(false);
    });

    setSocket(socketInstance);

    return () => {
      socketInstance.close();
    };
  }, [token]);

  return { socket, connected };
}
