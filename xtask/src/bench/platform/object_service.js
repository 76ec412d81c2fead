// The way from another process to the objects of this one (`objects.js`).
export default {
  fetch(request, env) {
    const [kind, name] = request.headers.get("x-object").split(" ");
    return env[kind].getByName(decodeURIComponent(name)).fetch(request);
  },
};
