// The hook, and the provider by which many components share one connection.
import { createContext, useContext, useEffect, useMemo, useSyncExternalStore, type ReactNode } from 'react';

import { Connection, type Auth, type ConnectionOptions, type ConnectionState, type Namespace } from '../omni.js';

export interface UseWebSocketOptions extends ConnectionOptions {
  /** Whether to connect while mounted, and not only by `connect`; so when left out. */
  autoConnect?: boolean;
  /** What to subscribe to while mounted. */
  namespaces?: readonly Namespace[];
  /** Who connects. When another token is given, it is used from then on. */
  auth?: Auth | undefined;
}

export interface UseWebSocketResult extends ConnectionState {
  /** Whether everything subscribed is live. */
  isConnected: boolean;
  /** Calls the listener for every such event, until the returned function is called. */
  on: Connection['on'];
  /** Asks for the events of one more namespace, until the returned function is called. */
  subscribe: Connection['subscribe'];
  connect: () => void;
  disconnect: () => void;
}

export type WebSocketProviderProps = ConnectionOptions & { auth?: Auth | undefined; children?: ReactNode };

/** What the hook and the components use of a connection. A page that hears the same events otherwise can give its own. */
export type LiveConnection = Pick<
  Connection,
  'authenticate' | 'close' | 'on' | 'open' | 'state' | 'subscribe' | 'url' | 'watch'
>;

export interface ConnectionProviderProps {
  connection: LiveConnection;
  children?: ReactNode;
}

const Shared = createContext<LiveConnection | null>(null);

const NONE: readonly Namespace[] = [];

/** Lets every hook and component below share one connection. Those that say `url` or `auth` themselves have their own, to the same place. */
export function WebSocketProvider({ children, auth, ...options }: WebSocketProviderProps) {
  const connection = useOwn(options, auth, true);
  return <Shared.Provider value={connection}>{children}</Shared.Provider>;
}

/** Lets every hook and component below use that connection, which whoever made it opens and closes. */
export function ConnectionProvider({ connection, children }: ConnectionProviderProps) {
  return <Shared.Provider value={connection}>{children}</Shared.Provider>;
}

/**
 * A live connection while the component is mounted. It comes back by itself after a loss, signs in and subscribes again,
 * and hears what it missed; where that cannot be, `on('resync', …)` says so.
 */
export function useWebSocket({ autoConnect = true, namespaces = NONE, auth, ...options }: UseWebSocketOptions = {}): UseWebSocketResult {
  const shared = useContext(Shared);
  const shares = shared !== null && auth === undefined && options.url === undefined;
  const own = useOwn({ ...options, url: options.url ?? shared?.url }, auth, autoConnect && !shares);
  const connection: LiveConnection = shares ? shared : own;

  const wanted = namespaces.join();
  useEffect(() => {
    const releases = namespaces.map((namespace) => connection.subscribe(namespace));
    return () => releases.forEach((release) => release());
    // By what the list says, because callers write it anew at each rendering.
  }, [connection, wanted]);

  const state = useSyncExternalStore(
    useMemo(() => (changed: () => void) => connection.watch(changed), [connection]),
    () => connection.state,
    () => connection.state,
  );
  const verbs = useMemo(
    () => ({
      on: connection.on.bind(connection),
      subscribe: connection.subscribe.bind(connection),
      connect: () => connection.open(),
      disconnect: () => connection.close(),
    }),
    [connection],
  );
  return useMemo(() => ({ ...state, ...verbs, isConnected: state.status === 'live' }), [state, verbs]);
}

/** A connection of the caller's own, open while `opens`. */
function useOwn({ url, reconnectAttempts, reconnectDelayMs }: ConnectionOptions, auth: Auth | undefined, opens: boolean): Connection {
  const connection = useMemo(
    () => new Connection({ url, reconnectAttempts, reconnectDelayMs }),
    [url, reconnectAttempts, reconnectDelayMs],
  );
  const who = JSON.stringify(auth);
  useEffect(() => connection.authenticate(auth), [connection, who]);
  useEffect(() => {
    if (opens) connection.open();
    return () => connection.close();
  }, [connection, opens]);
  return connection;
}
