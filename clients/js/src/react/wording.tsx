// The words of the three components, and whether they announce what changes to screen readers.
import { createContext, useContext, type ReactNode } from 'react';

export interface ComponentWords {
  /** BCP 47, for amounts of money; the browser's when left out. */
  locale?: string | undefined;
  live: string;
  offline: string;
  sales: string;
  latestSales: string;
  /** Stands before an amount. */
  soldToday: string;
  noAmount: string;
  order: (name: string, amount: string, channel: string | null) => string;
  payment: (order: string, amount: string) => string;
  paymentFailed: (order: string) => string;
  refund: (order: string, amount: string) => string;
  customersOnline: string;
  /** Stands after the count. */
  customers: (count: number) => string;
  latestActivity: string;
}

export const ENGLISH: ComponentWords = {
  live: 'Live',
  offline: 'Offline',
  sales: 'Sales',
  latestSales: 'Latest sales',
  soldToday: 'Sold today:',
  noAmount: 'no amount',
  order: (name, amount, channel) => `Order ${name}: ${amount}${channel ? `, ${channel}` : ''}`,
  payment: (order, amount) => `Payment for order ${order}: ${amount}`,
  paymentFailed: (order) => `Payment for order ${order} failed`,
  refund: (order, amount) => `Refund for order ${order}: ${amount}`,
  customersOnline: 'Customers online',
  customers: (count) => `${count === 1 ? 'customer' : 'customers'} online`,
  latestActivity: 'What customers did last',
};

export interface Wording {
  words: ComponentWords;
  /** Whether changes are announced politely; so when left out. A page that announces them itself says `false`. */
  announces: boolean;
}

const Shared = createContext<Wording>({ words: ENGLISH, announces: true });

export function WordingProvider({ words = ENGLISH, announces = true, children }: Partial<Wording> & { children?: ReactNode }) {
  return <Shared.Provider value={{ words, announces }}>{children}</Shared.Provider>;
}

export function useWording(): Wording {
  return useContext(Shared);
}
