% rebase("base.tpl")
<p class="crumb"><a href="{{url(f"projects/{project}/")}}">{{project}}</a></p>
<h1>Manage {{project}}</h1>
% if done:
<div class="notice good" role="status"><p>{{done}}</p></div>
% end
% if problem:
<div class="notice bad" role="alert" id="problem"><p>{{problem}}</p></div>
% end
% about_status = typed.action == "status"
<div class="halves">
<section aria-labelledby="releases">
<h2 id="releases">Releases and files</h2>
% if releases:
<form method="post" action="{{url(f"projects/{project}/manage/yank/confirm/")}}">
  <input type="hidden" name="form_token" value="{{caller.session.form_token}}">
  <div class="field">
    <label for="target">What</label>
    <select id="target" name="target" required\\
% if fault in ("target", "version", "filename"):
 aria-invalid="true" aria-describedby="problem"\\
% end
>
      <option value="">Choose a release or a file</option>
% for version, filenames in releases:
      <optgroup label="{{version}}">
% whole = f"version {version}"
% count = len(filenames)
        <option value="{{whole}}" {{"selected" if typed.target == whole else ""}}>{{version}}, {{"its one file" if count == 1 else f"all {count} files"}}</option>
% for filename in filenames:
        <option value="file {{filename}}" {{"selected" if typed.target == f"file {filename}" else ""}}>{{filename}}</option>
% end
      </optgroup>
% end
    </select>
  </div>
  <div class="field">
    <label for="reason">Reason</label>
    <input id="reason" name="reason" value="{{"" if about_status else typed.reason}}" maxlength="{{max_reason}}" autocomplete="off" aria-describedby="reason-hint{{" problem" if fault == "reason" and not about_status else ""}}" {{"aria-invalid=true" if fault == "reason" and not about_status else ""}}>
    <p class="hint" id="reason-hint">One line. A yank’s reason is shown by installers and here; every reason stands in the audit.</p>
  </div>
  <div class="actions">
    <button type="submit">Yank…</button>
    <button type="submit" formaction="{{url(f"projects/{project}/manage/unyank/confirm/")}}">Take a yank back…</button>
    <button type="submit" class="danger" formaction="{{url(f"projects/{project}/manage/delete/confirm/")}}">Delete…</button>
  </div>
  <p class="small soft">Each shows you first what it would do.</p>
</form>
% else:
<p class="soft">There is no file that could be changed.</p>
% end
</section>
<section aria-labelledby="status">
<h2 id="status">Status</h2>
<form method="post" action="{{url(f"projects/{project}/manage/status/confirm/")}}">
  <input type="hidden" name="form_token" value="{{caller.session.form_token}}">
% chosen = typed.target if about_status else project_status.status
  <fieldset>
    <legend>The project is</legend>
% for marker, words in statuses:
    <div class="choice"><input type="radio" id="status-{{marker}}" name="target" value="{{marker}}" {{"checked" if chosen == marker else ""}}> <label for="status-{{marker}}"><b>{{marker}}</b> <span class="soft">{{words}}</span></label></div>
% end
  </fieldset>
  <div class="field">
    <label for="status-reason">Reason</label>
    <input id="status-reason" name="reason" value="{{typed.reason if about_status else project_status.reason}}" maxlength="{{max_reason}}" autocomplete="off" {{"aria-invalid=true aria-describedby=problem" if fault == "reason" and about_status else ""}}>
  </div>
  <div class="actions"><button type="submit">Set the status…</button></div>
</form>
</section>
</div>
