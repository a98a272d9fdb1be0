"use strict";
// Packets of the stream (pipeline/streaming/packets.py) and the decoder of its pictures.

const HEAD_BYTES = 64;
const HEADER = 1, PICTURE = 2;
const LATE = 700_000;  // µs that a packet may wait for the decoder
const STAGES = ["captured", "tracked", "lifted", "encoded", "sent"];

/** One message → its parts; throws on anything else. The checksum is TCP's affair. */
function parsePacket(buffer) {
  if (buffer.byteLength < HEAD_BYTES) throw new Error("a packet that is too short");
  const view = new DataView(buffer);
  if (view.getUint32(0, false) !== 0x544c5354) throw new Error("bytes that are no packet");
  if (view.getUint8(4) !== 1) throw new Error("a packet of another version: reload the page");
  const kind = view.getUint8(5);
  if (kind !== HEADER && kind !== PICTURE) throw new Error("a packet of an unknown kind");
  if (view.getUint32(12, true) !== buffer.byteLength - HEAD_BYTES) throw new Error("a packet with another length");
  const stamps = {};
  STAGES.forEach((name, at) => { stamps[name] = Number(view.getBigInt64(24 + 8 * at, true)); });
  return {
    kind, stamps,
    isKey: (view.getUint8(6) & 1) === 1,
    number: view.getUint32(8, true),
    payload: new Uint8Array(buffer, HEAD_BYTES),
  };
}

/** Pictures of 10-bit levels out of packets, in order, by WebCodecs. */
class PlaneDecoder {
  /** onPlanes(levels: Uint16Array of width × height, packet), onTrouble(sentence). */
  constructor(header, onPlanes, onTrouble) {
    this.header = header;
    this.onPlanes = onPlanes;
    this.onTrouble = onTrouble;
    this.width = header.columns * header.side;
    this.height = header.rows * header.side;
    this.packets = new Map();
    this.needsKey = true;
    this.dropped = 0;
    this.copying = Promise.resolve();
    this.open();
  }

  open() {
    this.decoder = new VideoDecoder({
      output: frame => { this.copying = this.copying.then(() => this.copy(frame)); },
      error: error => { this.needsKey = true; this.onTrouble(error.message); },
    });
    this.configure();
  }

  configure() {
    this.decoder.configure({
      codec: this.header.codec_string,
      codedWidth: this.width,
      codedHeight: this.height,
      optimizeForLatency: true,
      hardwareAcceleration: "no-preference",
      colorSpace: { fullRange: true, primaries: "bt709", transfer: "bt709", matrix: "bt709" },
    });
  }

  /** Whether the packet was taken. A decoder that is late is emptied and begins at a key frame. */
  take(packet) {
    if (this.decoder.state === "closed") this.open();
    if (packet.isKey && this.needsKey) {
      this.needsKey = false;
      if (this.decoder.decodeQueueSize > 0) {
        this.decoder.reset();
        this.configure();
      }
      this.packets.clear();
    }
    if (this.needsKey || this.isLate(packet)) {
      this.needsKey = true;
      this.dropped += 1;
      return false;
    }
    this.packets.set(packet.number, packet);
    if (this.packets.size > 64) this.packets.delete(this.packets.keys().next().value);
    this.decoder.decode(new EncodedVideoChunk({
      type: packet.isKey ? "key" : "delta", timestamp: packet.number, data: packet.payload,
    }));
    return true;
  }

  /** Whether pictures wait for longer than LATE. */
  isLate(packet) {
    const { value: oldest } = this.packets.values().next();
    const isOld = oldest !== undefined && packet.stamps.received - oldest.stamps.received > LATE;
    return this.decoder.decodeQueueSize > 8 || (isOld && this.decoder.decodeQueueSize > 1);
  }

  /** Plane 0 of a frame, exactly: no drawing, which would keep 8 bits and may stretch the range. */
  async copy(frame) {
    try {
      const { width, height } = this;
      const rect = frame.visibleRect;
      if (!frame.format || !frame.format.endsWith("P10") && frame.format !== "GRAY10") throw new Error(`pictures come as ${frame.format}: this browser decodes no 10-bit ones exactly`);
      if (rect.width !== width || rect.height !== height) throw new Error("a picture of another size");
      const bytes = new Uint8Array(frame.allocationSize());
      const layout = await frame.copyTo(bytes);
      const { offset, stride } = layout[0];
      let levels;
      if (stride === 2 * width) {
        levels = new Uint16Array(bytes.buffer, offset, width * height);
      } else {
        levels = new Uint16Array(width * height);
        for (let y = 0; y < height; y++) levels.set(new Uint16Array(bytes.buffer, offset + y * stride, width), y * width);
      }
      const packet = this.packets.get(frame.timestamp);
      this.packets.delete(frame.timestamp);
      this.onPlanes(levels, packet);
    } catch (error) {
      this.onTrouble(error.message);
    } finally {
      frame.close();
    }
  }

  close() {
    if (this.decoder.state !== "closed") this.decoder.close();
  }
}
