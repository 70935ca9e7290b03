% rebase("base.tpl")
% action = intended.action
<div class="middle">
<p class="crumb"><a href="{{url(f"projects/{project}/")}}">{{project}}</a></p>
% if action == "status":
<h1>Mark {{project}} as {{intended.target}}?</h1>
% elif action == "unyank":
<h1>Take back the yank of {{intended.subject}}?</h1>
% else:
<h1>{{action.capitalize()}} {{intended.subject}}?</h1>
% end
% if problem:
<div class="notice bad" role="alert"><p>{{problem}}</p></div>
% end
% if action == "delete":
<div class="notice bad"><p><strong>This cannot be taken back.</strong> The files leave the storage. Their names stay taken for ever, also for the same bytes, and whoever has pinned them fails.</p></div>
% elif action == "yank":
<p>Installers will pass over these files, unless exactly this version is asked for. It can be taken back.</p>
% elif action == "unyank":
<p>Installers will choose these files again.</p>
% else:
<p><strong>{{intended.target}}</strong>: {{status_words}} It was {{before.status}}{{f" ({before.reason})" if before.reason else ""}}.</p>
% end
% if action != "status":
% if would.changes:
<h2>Will be {{"deleted" if action == "delete" else "changed"}}</h2>
<ul class="plain">
% for filename in would.changes:
  <li class="filename">{{filename}}</li>
% end
</ul>
% end
% if would.unchanged:
<h2>Is so already</h2>
<ul class="plain soft">
% for filename in would.unchanged:
  <li class="filename">{{filename}}</li>
% end
</ul>
% end
% end
<p>The reason: {{intended.reason or "none is given"}}</p>
<form method="post" action="{{url(f"projects/{project}/manage/{action}/")}}">
  <input type="hidden" name="form_token" value="{{caller.session.form_token}}">
  <input type="hidden" name="target" value="{{intended.target}}">
  <input type="hidden" name="reason" value="{{intended.reason}}">
  <input type="hidden" name="state" value="{{would.state}}">
  <div class="actions">
% count = len(would.changes)
% if action == "delete":
    <button type="submit" class="danger">Delete {{count}} {{"file" if count == 1 else "files"}} for good</button>
% elif action == "yank":
    <button type="submit" class="primary">Yank</button>
% elif action == "unyank":
    <button type="submit" class="primary">Take the yank back</button>
% else:
    <button type="submit" class="primary">Set the status</button>
% end
    <a href="{{url(f"projects/{project}/manage/")}}">Do nothing</a>
  </div>
</form>
</div>
