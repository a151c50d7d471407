import { useEffect, useState } from 'react';
import { io } from 'socket.io-client';

export const useOMSWebSocket = (token) => {
  const [socket, setSocket] = useState(null);
  const [connected, setConnected] = useState(false);
  const [notifications, setNotifications] = useState([]);

  useEffect(() => {
    if (!token) return;

    const newSocket = io('ws://localhost:3000/events', {
      auth: { token }
    });

    newSocket.on('connected', () => {
      setConnected(true);
      setSocket(newSocket);
    });

    newSocket.on('disconnect', () => {
      setConnected(false);
    });

    newSocket.on('order_update', (event) => {
      setNotifications(prev => [...prev, {
        type: 'order',
        data: event.data,
        timestamp: new Date()
      }]);
    });

    newSocket.on('user_notification', (event) => {
      setNotifications(prev => [...prev, {
        type: 'notification',
        data: event.data,
        timestamp: new Date()
      }]);
    });

    return () => {
      newSocket.close();
    };
  }, [token]);

  const subscribeToOrders = () => {
    socket?.emit('subscribe_to_orders');
  };

  const subscribeToInventory = () => {
    socket?.emit('subscribe_to_inventory');
  };

  return {
    connected,
    notifications,
    subscribeToOrders,
    subscribeToInventory
  };
};
