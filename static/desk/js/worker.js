// The service worker of Desk: notifications, and the page for when Desk cannot be reached.

/** Register the service worker, which is for the whole site. */
export const register = () =>
  navigator.serviceWorker.register("/service-worker.js", { scope: "/", updateViaCache: "none" });
