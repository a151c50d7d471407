# Check service health
curl http://localhost:8009/health

# Check connected users
curl http://localhost:8009/connected-users

# Check specific user status
curl http://localhost:8009/user-status/user123
