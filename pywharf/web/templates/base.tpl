<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{title}} · {{caller.repository.name if caller else "pywharf"}}</title>
<link rel="stylesheet" href="{{static("pywharf.css")}}">
<link rel="icon" href="{{root}}static/pywharf.svg" type="image/svg+xml">
% if defined("script"):
<script src="{{static(script)}}" nonce="{{nonce}}" defer></script>
% end
% if defined("feed") and feed:
<link rel="alternate" type="application/atom+xml" title="{{feed[1]}}" href="{{feed[0]}}">
% end
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
  <div class="top-inner">
    <a class="brand" href="{{root}}">{{caller.repository.name if caller else "pywharf"}}</a>
% if caller:
    <form class="top-search" role="search" action="{{url("projects/")}}" method="get">
      <label class="hidden" for="top-q">Search projects</label>
      <input id="top-q" type="search" name="q" placeholder="Search projects" value="{{get("q", "")}}" autocomplete="off" spellcheck="false" maxlength="200">
      <button type="submit">Search</button>
    </form>
    <nav class="top-nav" aria-label="Main">
      <a href="{{url("projects/")}}">Projects</a>
% if caller.session:
      <form action="{{url("logout/")}}" method="post"><input type="hidden" name="form_token" value="{{caller.session.form_token}}"><button class="link" type="submit">Log out</button></form>
% end
    </nav>
% end
  </div>
</header>
<main id="content" tabindex="-1">
{{!base}}
</main>
<footer class="bottom">
  <p>pywharf {{pywharf_version}}</p>
</footer>
</body>
</html>
