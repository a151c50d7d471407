import { Injectable } from '@angular/core';
import { io, Socket } from 'socket.io-client';
import { Observable } from 'rxjs';

@Injectable({ providedIn: 'root' })
export class WebSocketService {
  private socket: Socket;

  connect(token: string): void {
    this.socket = io('ws://localhost:8009', {
      auth: { token }
    });
  }

  onOrderUpdate(): Observable<any> {
    return new Observable(observer => {
      this.socket.on('order:status_updated', (data) => {
        observer.next(data);
      });
    });
  }

  disconnect(): void {
    if (this.socket) {
      this.socket.close();
    }
  }
}
