// What this browser keeps for an agent until the server has it: replies that wait for the connection (`unsent`), attached
// files (`files`) and the notes that are being written (`notes`). Each row has an `id`, its `user` and when it was made or
// changed (`at`, ms). Rows of other users are never returned, and old rows are deleted.
//
// Every function rejects when the browser has no storage, as some private windows have none, or when it is full.

export const DAY = 86_400_000; // milliseconds
const DAYS = { unsent: 30, files: 7, notes: 7 }; // how long rows are kept
const STORES = Object.keys(DAYS);
let opened = null;

/** The id of the user of this page. */
export const user = Number(document.querySelector("[data-user]")?.dataset.user) || null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("desk", 1);
    request.onupgradeneeded = () => {
      for (const name of STORES) request.result.createObjectStore(name, { keyPath: "id" });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => {
        request.result.close();
        opened = null;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  return opened;
}

/** Call `act(stores)` in one transaction, and return its result once everything is stored. */
async function transact(names, mode, act) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(names, mode);
    let result;
    transaction.oncomplete = () => resolve(result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error ?? new Error("not stored"));
    act(
      names.map((name) => transaction.objectStore(name)),
      (value) => (result = value),
    );
  });
}

/** Return this user's rows, the oldest first. */
export async function rows(name) {
  const all = await transact([name], "readonly", ([store], done) => {
    const request = store.getAll();
    request.onsuccess = () => done(request.result);
  });
  return all.filter((row) => row.user === user).sort((one, other) => one.at - other.at);
}

export const put = (name, row) => transact([name], "readwrite", ([store]) => store.put(row));

export const remove = (name, ...ids) =>
  transact([name], "readwrite", ([store]) => {
    for (const id of ids) store.delete(id);
  });

/** Change the row `id` in place if it is still there; returns whether it was. */
export const change = (name, id, values) =>
  transact([name], "readwrite", ([store], done) => {
    const request = store.get(id);
    request.onsuccess = () => {
      if (request.result) store.put({ ...request.result, ...values });
      done(Boolean(request.result));
    };
  });

/** Delete the rows of which `isOver(row, name of the store)`, of every user. */
const clean = (isOver) =>
  transact(STORES, "readwrite", (stores) => {
    for (const store of stores) {
      store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
        if (!cursor) return;
        if (isOver(cursor.value, store.name)) cursor.delete();
        cursor.continue();
      };
    }
  });

export const deleteExpired = () => clean((row, name) => row.at < Date.now() - DAYS[name] * DAY);

/** Delete all of this user, as their logout does. */
export const deleteAll = () => clean((row) => row.user === user);

/** Return how many rows of this user there are: {unsent, files, notes}. */
export async function count() {
  const all = await Promise.all(STORES.map(rows));
  return Object.fromEntries(STORES.map((name, index) => [name, all[index].length]));
}
