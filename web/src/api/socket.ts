// One WebSocket for the page. It connects again by itself and then subscribes again, so a view asks once and forgets it.
import { decode } from "cborg";
import { address, apiToken } from "./client";
import type { LiveHeader, ServerMessage, Subscription } from "./types";

export interface LiveFrame {
  header: LiveHeader;
  /** Elements after the header; starts at any offset of the frame, so copy it before viewing it as wider numbers. */
  payload: Uint8Array;
}

type Ask = { op: string; id?: number; [key: string]: unknown };

export type SocketState = "connecting" | "open" | "closed";

const [FRAME_WAIT, FRAMES] = [50, 128]; // ms between readings of binary messages, and how many are read then, the latest

class Socket {
  private socket: WebSocket | null = null;
  private state: SocketState | null = null; // null: nobody has asked for a connection
  private nextId = 1;
  private retry = 500;
  private readonly standing = new Map<number, Ask>(); // what is asked again after a reconnection
  private readonly queued: string[] = [];
  private readonly waiting: ArrayBuffer[] = []; // frames that are not read yet
  private timer: ReturnType<typeof setTimeout> | 0 = 0;
  private readonly onMessage = new Set<(message: ServerMessage) => void>();
  private readonly onFrame = new Set<(frame: LiveFrame) => void>();
  private readonly onState = new Set<(state: SocketState | null) => void>();

  connect(): void {
    if (this.socket !== null) return;
    this.setState("connecting");
    const url = address("/api/ws", { token: apiToken() });
    const socket = new WebSocket(new URL(url, location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.retry = 500;
      for (const ask of this.standing.values()) socket.send(JSON.stringify(ask));
      for (const text of this.queued.splice(0)) socket.send(text);
      this.setState("open");
    };
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.receive(event.data);
    socket.onclose = () => {
      this.socket = null;
      this.setState("closed");
      setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(this.retry * 2, 10_000);
    };
  }

  /** Sends once; waits for the connection where there is none yet. */
  send(ask: Ask): void {
    const text = JSON.stringify(ask);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
    else if (this.queued.length < 100) this.queued.push(text);
  }

  /** Binary data for a `listen` of this id follows its announcement; nothing is sent while there is no connection. */
  sendBinary(bytes: ArrayBuffer | ArrayBufferView): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  /** A number that no other subscription of this page has. */
  newId(): number {
    return this.nextId++;
  }

  /** Asks now and after each reconnection, until the returned function is called. */
  keep(ask: Ask, end?: Ask): () => void {
    const id = ask.id ?? this.newId();
    const full = ask.op === "runs" ? ask : { ...ask, id };
    this.standing.set(id, full);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(full));
    return () => {
      this.standing.delete(id);
      if (end && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ...end, id }));
    };
  }

  /** Follows values of a model's runs; the frames arrive at `frames`, with this id. */
  subscribe(id: number, subscription: Subscription): () => void {
    return this.keep({ op: "subscribe", id, ...subscription }, { op: "unsubscribe" });
  }

  messages(listener: (message: ServerMessage) => void): () => void {
    this.onMessage.add(listener);
    return () => this.onMessage.delete(listener);
  }

  frames(listener: (frame: LiveFrame) => void): () => void {
    this.onFrame.add(listener);
    return () => this.onFrame.delete(listener);
  }

  states(listener: (state: SocketState | null) => void): () => void {
    this.onState.add(listener);
    listener(this.state);
    return () => this.onState.delete(listener);
  }

  private setState(state: SocketState): void {
    this.state = state;
    for (const listener of this.onState) listener(state);
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data === "string") {
      const message = JSON.parse(data) as ServerMessage;
      for (const listener of this.onMessage) listener(message);
      return;
    }
    this.waiting.push(data);
    if (this.waiting.length > 2 * FRAMES) this.waiting.splice(0, FRAMES);
    if (this.timer === 0) this.timer = setTimeout(() => this.read(), FRAME_WAIT);
  }

  /** Reads the latest frames: a loop may send more of them than anyone could look at, each in the place of one before it. */
  private read(): void {
    this.timer = 0;
    for (const data of this.waiting.splice(0).slice(-FRAMES)) {
      const n = new DataView(data).getUint32(0, true);
      const header = decode(new Uint8Array(data, 4, n)) as LiveHeader;
      const payload = new Uint8Array(data, 4 + n);
      for (const listener of this.onFrame) listener({ header, payload });
    }
  }
}

export const socket = new Socket();

/** Cells of a digest as numbers. */
export function cellsOf(frame: LiveFrame): Float32Array {
  return new Float32Array(frame.payload.slice().buffer);
}
