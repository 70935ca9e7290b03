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
    <div class="row"><div class="what"><a class="name" href="{{url(f"projects/{release.project}/{release.version}/")}}">{{release.name}} <span class="version">{{release.version}}</span></a>
% if release.status != "active":
    <span class="tag {{"bad" if release.status == "quarantined" else "warn"}}">{{release.status}}</span>
% end
% if release.yanked:
    <span class="tag warn">yanked</span>
% end
    </div>
    <time class="soft small nowrap" datetime="{{iso}}">{{day}}</time></div>
% if release.summary:
    <p class="soft summary">{{release.summary}}</p>
% end
  </li>
% end
</ul>
<p><a href="{{url("projects/")}}">All projects</a></p>
% else:
<p>Nothing has been uploaded yet. <a href="#upload">How to upload</a></p>
% end
</section>
</div>
<div>
<h2 id="secret">Your secret</h2>
<p>The lines below take it from a variable of your shell, so that it stays out of the shell’s history. Put it there first; the shell waits for it and does not show it.</p>
% include("line.tpl", line=ask_for_secret)
<h2 id="install">Install</h2>
<p class="small soft">Here the secret is part of an address. If it has other characters than letters, digits, hyphens, dots and underscores, percent-encode those first.</p>
<dl class="lines">
% for tool, line in lines.install(example):
  <dt>{{tool}}</dt>
  <dd>
% include("line.tpl", line=line)
  </dd>
% end
</dl>
<h2 id="upload">Upload</h2>
<p class="small soft">What lies in <code>dist/</code>, with a secret that may write, as it is.</p>
<dl class="lines">
% for tool, line in lines.upload():
  <dt>{{tool}}</dt>
  <dd>
% include("line.tpl", line=line)
  </dd>
% end
</dl>
<h2 id="poetry">Poetry, once</h2>
<p class="small soft">The last line asks for the secret.</p>
% for line in lines.poetry_setup():
% include("line.tpl", line=line)
% end
<h2 id="address">Address</h2>
<p class="small soft">Of the Simple API, for any other tool. The user is <code>{{caller.repository.name}}</code>.</p>
% include("line.tpl", line=lines.simple_url)
</div>
</div>
