namespace CondDiffusion.Examples;

/// <summary>Counts images on the error output; where that is a file, a line for every tenth of them.</summary>
/// <param name="verb">What is done with the images.</param>
internal sealed class ImageCounter(string verb)
{
    private long _tenths;

    public void Report(int done, int all)
    {
        var line = $"{verb} {done} of {all} images";
        if (!Console.IsErrorRedirected)
        {
            Console.Error.Write($"\r{line}{(done == all ? Environment.NewLine : "")}");
            return;
        }

        var tenths = 10L * done / all;
        if (tenths > _tenths) Console.Error.WriteLine(line);
        _tenths = tenths;
    }
}
