// Super admin receives all company events
socket.on('order:new_order', (data) => {
  addToOrderList(data);
  incrementOrderCount();
});

socket.on('inventory:alert', (data) => {
  addToAlertList(data);
  playNotificationSound();
});
