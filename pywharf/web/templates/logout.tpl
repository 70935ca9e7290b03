% rebase("base.tpl")
<div class="narrow">
<h1>Log out?</h1>
<p>A link led here. Nothing has happened yet: the session goes on until you press the button.</p>
<form method="post" action="{{url("logout/")}}">
  <input type="hidden" name="form_token" value="{{form_token}}">
  <p class="actions"><button class="primary" type="submit">Log out</button> <a href="{{root}}">Stay logged in</a></p>
</form>
</div>
