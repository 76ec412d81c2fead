// A bucket in memory, by the protocol between workerd and R2: requests and answers are JSON, with the bytes of the object
// behind it where there are any. It keeps the newest hundred objects.
const objects = new Map();
const KEPT = 100;

const described = ({ key, bytes, etag }, range) => ({
  name: key, version: etag, etag, size: String(bytes.byteLength), uploaded: String(Date.now()), httpFields: {},
  customFields: [], checksums: {}, storageClass: "Standard", ...(range && { range }),
});

function answer(metadata, bytes) {
  const head = new TextEncoder().encode(JSON.stringify(metadata));
  const body = new Uint8Array(head.byteLength + (bytes?.byteLength ?? 0));
  body.set(head);
  if (bytes) body.set(bytes, head.byteLength);
  return new Response(body, { headers: { "cf-r2-metadata-size": String(head.byteLength) } });
}

function missing() {
  const error = { version: 0, v4code: 10007, message: "The specified key does not exist." };
  return new Response(null, { status: 404, headers: { "cf-r2-error": JSON.stringify(error) } });
}

async function read(request) {
  const header = request.headers.get("cf-r2-request");
  if (header) return [JSON.parse(header)];
  const body = new Uint8Array(await request.arrayBuffer());
  const size = Number(request.headers.get("cf-r2-metadata-size"));
  return [JSON.parse(new TextDecoder().decode(body.subarray(0, size))), body.slice(size)];
}

export default {
  async fetch(request) {
    const [asked, bytes] = await read(request);
    const object = objects.get(asked.object);
    switch (asked.method) {
      case "put": {
        const made = { key: asked.object, bytes, etag: crypto.randomUUID().replaceAll("-", "") };
        objects.set(asked.object, made);
        if (objects.size > KEPT) objects.delete(objects.keys().next().value);
        return answer(described(made));
      }
      case "head":
        return object ? answer(described(object)) : missing();
      case "get": {
        if (!object) return missing();
        const offset = Number(asked.range?.offset ?? 0);
        const end = asked.range?.length === undefined ? object.bytes.byteLength : offset + Number(asked.range.length);
        const part = object.bytes.subarray(offset, end);
        return answer(described(object, { offset: String(offset), length: String(part.byteLength) }), part);
      }
      case "delete":
        for (const key of asked.objects ?? [asked.object]) objects.delete(key);
        return answer({});
    }
    return new Response(`no method ${asked.method}`, { status: 501 });
  },
};
