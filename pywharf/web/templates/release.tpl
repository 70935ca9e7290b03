% rebase("base.tpl", feed=(url(feed[0]), feed[1]) if feed else None)
% offered = project_status.status != "quarantined"
% if is_release:
<p class="crumb"><a href="{{url(f"projects/{project}/")}}">{{spelled}}</a></p>
% end
<h1>{{spelled}} <span class="version">{{release.spelling if release else ""}}</span></h1>
% if summary:
<p class="lead">{{summary}}</p>
% end
% if project_status.status == "quarantined":
<div class="notice bad"><p><strong>This project is quarantined.</strong> Nothing of it is offered: installers see no files, and this page shows none.</p>
% if project_status.reason:
<p>The reason: {{project_status.reason}}</p>
% end
</div>
% elif project_status.status == "archived":
<div class="notice warn"><p><strong>This project is archived.</strong> What is here stays; no new files are taken.</p>
% if project_status.reason:
<p>The reason: {{project_status.reason}}</p>
% end
</div>
% elif project_status.status == "deprecated":
<div class="notice warn"><p><strong>This project is deprecated.</strong> It works as before, and there is something better.</p>
% if project_status.reason:
<p>The reason: {{project_status.reason}}</p>
% end
</div>
% end
% if release and release.yanked and offered:
<div class="notice warn"><p><strong>This release is yanked.</strong> Installers pass over it, unless exactly this version is asked for.</p>
% if reasons:
<p>The reason: {{reasons}}</p>
% end
</div>
% end
% if not release:
<div class="notice"><p>All files of this project were deleted. Its name stays reserved: installers are never sent to the extra index for it.</p></div>
% end
% if newer:
<div class="notice"><p>There is a newer release: <a href="{{url(f"projects/{project}/{newer}/")}}">{{spelled}} {{newer}}</a>.</p></div>
% end
% if lines:
<section aria-labelledby="install">
<h2 class="hidden" id="install">Install</h2>
<dl class="lines wide">
% for tool, line in lines:
  <dt>{{tool}}</dt>
  <dd>
% include("line.tpl", line=line)
  </dd>
% end
</dl>
<p class="small soft">With your secret in the shell’s variable {{secret}}; <a href="{{root}}#secret">how to put it there</a>, and <a href="{{root}}#poetry">what Poetry has to be told once</a>.</p>
</section>
% end
<nav aria-label="On this page">
<ul class="tabs">
% if offered and release:
  <li><a href="#description">Description</a></li>
  <li><a href="#files">Files</a></li>
% end
  <li><a href="#history">History</a></li>
% if release:
  <li><a href="{{url(f"projects/{project}/{release.spelling}/why/")}}">Why is it offered, or not?</a></li>
% end
% if may_manage:
  <li><a href="{{url(f"projects/{project}/manage/", version=release.spelling if is_release else "")}}">Manage</a></li>
% end
</ul>
</nav>
% if offered and release:
<div class="columns{{"" if readme else " bare"}}">
<section id="description" aria-labelledby="described">
<h2 class="hidden" id="described">Description</h2>
% if problem:
<p class="soft">{{problem}}</p>
% elif not readme:
<p class="soft">This release has no description.</p>
% end
<div class="readme">
{{!readme}}
</div>
</section>
<div class="aside">
<div>
<h2>About</h2>
<dl class="facts">
% if requires_python:
  <dt>Python</dt><dd>{{requires_python}}</dd>
% end
% for label, value in facts:
  <dt>{{label}}</dt><dd>{{value}}</dd>
% end
  <dt>Releases</dt><dd><a href="#history">{{release_count}}</a></dd>
% if feed:
  <dt>Feed</dt><dd><a href="{{url(feed[0])}}">Atom</a></dd>
% end
</dl>
</div>
% if links:
<div>
<h2>Links</h2>
<ul class="plain">
% for link in links:
  <li><a rel="nofollow noopener noreferrer" href="{{link.url}}"><bdi>{{link.label}}</bdi></a> <span class="soft small">{{link.host}}</span></li>
% end
</ul>
</div>
% end
% if dependencies:
<div>
<h2>Requires</h2>
<ul class="plain">
% for dependency, lives_here in dependencies:
% if lives_here:
  <li><a href="{{url(f"projects/{dependency.project}/")}}">{{dependency.name}}</a><span class="rest">{{dependency.rest}}</span></li>
% else:
  <li>{{dependency.name}}<span class="rest">{{dependency.rest}}</span></li>
% end
% end
</ul>
</div>
% end
% if required_by:
<div>
<h2>Required here by</h2>
<ul class="plain">
% for other in required_by:
  <li><a href="{{url(f"projects/{other}/")}}">{{other}}</a></li>
% end
% if more_require_it:
  <li class="soft">and others</li>
% end
</ul>
</div>
% end
% if keywords:
<div>
<h2>Keywords</h2>
<ul class="words">
% for word in keywords:
  <li><a class="tag" href="{{url("projects/", q=word)}}">{{word}}</a></li>
% end
</ul>
</div>
% end
% if classifiers:
<div>
<h2>Classifiers</h2>
<details><summary>{{len(classifiers)}} {{"classifier" if len(classifiers) == 1 else "classifiers"}}</summary>
<ul class="plain small">
% for classifier in classifiers:
  <li>{{classifier}}</li>
% end
</ul>
</details>
</div>
% end
</div>
</div>
<section aria-labelledby="files">
<h2 id="files">Files</h2>
<table class="stack">
<caption class="hidden">The {{file_count}} of release {{release.spelling}}</caption>
<thead><tr><th scope="col">File</th><th scope="col">For</th><th scope="col" class="number">Size</th><th scope="col">Uploaded</th></tr></thead>
<tbody>
% for file in files:
<tr>
<td>
  <a class="filename" href="{{url(file.path)}}">{{file.filename}}</a>
% if file.yanked is not None:
  <span class="tag warn">yanked</span>
% end
  <p class="small soft">{{file.kind}}\\
% if file.metadata_path:
 · <a href="{{url(file.metadata_path)}}">core metadata<span class="hidden"> of {{file.filename}}</span></a>\\
% end
% if file.provenance_path:
 · <a href="{{url(file.provenance_path)}}">provenance<span class="hidden"> of {{file.filename}}</span></a>\\
% end
</p>
% if file.yanked:
  <p class="small">Yanked: {{file.yanked}}</p>
% end
  <p class="hash"><abbr title="SHA-256">sha256</abbr> <code>{{file.sha256}}</code></p>
</td>
<td data-label="For">
% if file.python:
{{file.python}}<br><span class="soft">{{file.platform}}</span>
% else:
any platform, to be built
% end
% if file.requires_python:
<br><span class="small soft">Python {{file.requires_python}}</span>
% end
</td>
<td data-label="Size" class="number nowrap">{{file.size}}</td>
<td data-label="Uploaded"><time datetime="{{file.uploaded_iso}}">{{file.uploaded}}</time></td>
</tr>
% end
</tbody>
</table>
% if more_files:
<p><a href="?all=1#files">Show all {{file_count}}</a></p>
% end
</section>
% end
<section aria-labelledby="history">
<h2 id="history">Release history</h2>
% if history:
<ol class="list history" reversed>
% for row in history:
  <li>
    <div class="row"><div class="what"><a class="name" href="{{url(f"projects/{project}/{row.version}/")}}"\\
% if release and row.version == release.spelling:
 aria-current="page"\\
% end
>{{row.version}}</a>
% if row.prerelease:
    <span class="tag">pre-release</span>
% end
% if row.yanked:
    <span class="tag warn">yanked</span>
% end
    <span class="soft small nowrap">{{row.files}}</span></div>
    <time class="soft small nowrap" datetime="{{row.uploaded_iso}}">{{row.uploaded}}</time></div>
% if row.yanked and row.reasons:
    <p class="soft small">Yanked: {{row.reasons}}</p>
% end
  </li>
% end
</ol>
% if more_history:
<p><a href="?all=1#history">Show all {{release_count}}</a></p>
% end
% else:
<p class="soft">None.</p>
% end
</section>
