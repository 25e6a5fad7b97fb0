// CloudFront Function before each request to the web app: paths of the app itself are answered by its one page.
// It changes the request, not the answer: what WAF or the country list refuses stays refused and looks like it.
function handler(event) {
  var request = event.request;
  var name = request.uri.substring(request.uri.lastIndexOf("/") + 1);
  if (name.indexOf(".") === -1) {
    request.uri = "/index.html";
  }
  return request;
}
