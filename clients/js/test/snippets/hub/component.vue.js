export default {
  data() {
    return {
      socket: null,
      connected: false
    };
  },
  mounted() {
    this.socket = io('ws://localhost:8009', {
      auth: { token: this.$store.state.auth.token }
    });

    this.socket.on('connected', (data) => {
      this.connected = true;
    });

    this.socket.on('inventory:low_stock_alert', (data) => {
      this.$notify({
        title: 'Low Stock Alert',
        message: data.message,
        type: 'warning'
      });
    });
  },
  beforeDestroy() {
    if (this.socket) {
      this.socket.close();
    }
  }
};
