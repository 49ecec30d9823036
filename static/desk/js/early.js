// Before the page is drawn: what needs a script may show, and the server learns in which time zone the reader lives.
document.documentElement.classList.add("js");
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  const cookie = `desk_zone=${zone}`;
  if (zone && !document.cookie.split("; ").includes(cookie)) {
    // biome-ignore lint/suspicious/noDocumentCookie: cookieStore is asynchronous, and the page is drawn next
    document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax`;
    // Only the first visit, or after a journey: the times on this page are in another zone.
    if (document.cookie.split("; ").includes(cookie) && document.documentElement.dataset.zone !== zone)
      location.reload();
  }
}
