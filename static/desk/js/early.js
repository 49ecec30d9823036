// Runs before the page is drawn: shows what needs a script, and tells the server the reader's time zone.
document.documentElement.classList.add("js");
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  const cookie = `desk_zone=${zone}`;
  if (zone && !document.cookie.split("; ").includes(cookie)) {
    // biome-ignore lint/suspicious/noDocumentCookie: cookieStore is asynchronous, and the page is drawn next
    document.cookie = `${cookie}; path=/; max-age=31536000; samesite=lax`;
    // On the first visit, or after a journey, the times on this page are in another zone.
    if (document.cookie.split("; ").includes(cookie) && document.documentElement.dataset.zone !== zone)
      location.reload();
  }
}
