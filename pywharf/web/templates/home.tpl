% rebase("base.tpl", feed=(url(feed[0]), feed[1]))
<h1>{{caller.repository.name}}</h1>
<p class="lead">The private packages of this repository, and how to use them.</p>
<ul class="figures" aria-label="How much there is">
  <li><b>{{f"{totals.projects:,}"}}</b> {{"project" if totals.projects == 1 else "projects"}}</li>
  <li><b>{{f"{totals.releases:,}"}}</b> {{"release" if totals.releases == 1 else "releases"}}</li>
  <li><b>{{f"{totals.files:,}"}}</b> {{"file" if totals.files == 1 else "files"}}</li>
  <li><b>{{size}}</b> in all</li>
</ul>
% if behind:
<div class="notice"><p>These figures are being counted anew and grow for a moment.</p></div>
% end
<div class="halves">
<div>
<section aria-labelledby="latest">
<h2 id="latest">Latest releases</h2>
% if latest:
<ul class="list">
% for release, day, iso in latest:
  <li>
    <div class="row"><a class="name" href="{{url(f"projects/{release.project}/{release.version}/")}}">{{release.name}} <span class="version">{{release.version}}</span></a> <time class="soft small nowrap" datetime="{{iso}}">{{day}}</time></div>
% if release.summary:
    <p class="soft">{{release.summary}}</p>
% end
  </li>
% end
</ul>
<p><a href="{{url("projects/")}}">All projects</a></p>
% else:
<p>Nothing has been uploaded yet. The lines for that stand beside this.</p>
% end
</section>
</div>
<div>
<h2 id="secret">Your secret</h2>
<p>The lines below take it from a variable of your shell, so that it stays out of its history. Put it there first; the shell waits for it and does not show it. Of characters other than letters, digits and hyphens, pip and uv want each percent-encoded.</p>
<code class="copy">{{ask_for_secret}}</code>
<h2 id="install">Install</h2>
<dl class="lines">
% for tool, line in lines.install(example):
  <dt>{{tool}}</dt>
  <dd><code class="copy">{{line}}</code></dd>
% end
</dl>
<h2 id="upload">Upload</h2>
<p class="small soft">What lies in <code>dist/</code>, with a secret that may write.</p>
<dl class="lines">
% for tool, line in lines.upload():
  <dt>{{tool}}</dt>
  <dd><code class="copy">{{line}}</code></dd>
% end
</dl>
<h2 id="poetry">Poetry, once</h2>
<p class="small soft">The last line asks for the secret.</p>
% for line in lines.poetry_setup():
<code class="copy">{{line}}</code>
% end
<h2 id="address">Address</h2>
<p class="small soft">Of the Simple API, for any other tool. The user is <code>{{caller.repository.name}}</code>.</p>
<code class="copy">{{lines.simple_url}}</code>
</div>
</div>
