using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>
/// Measures the images that a model generates, or others, against the images of a data set: prints a
/// table, or JSON for programs.
/// </summary>
internal static class EvaluateCommand
{
    public static void Run(string[] args)
    {
        var arguments = new Arguments(
            args,
            ["--model", "--images", "--images-dir", "--data", "--data-dir", "--count", "--trainings", "--classifier"],
            ["--json"]);
        var data = arguments.Text("--data");
        var count = arguments.Number("--count", 1000);
        var trainings = arguments.Find("--trainings") == "0" ? 0 : arguments.Number("--trainings", 3);
        var modelFile = arguments.Find("--model");
        if (modelFile is null == arguments.Find("--images") is null)
            throw new UsageException("Give either --model or --images: the images to evaluate.");

        using var interrupt = new Interrupt();
        var ml = CommandContext.Create(seed: 1);
        using var model = modelFile is null ? null : ModelFile.LoadGenerator(ml, modelFile);
        if (model is { LabelValues: null })
        {
            throw new InvalidOperationException(
                $"The labels of the model '{modelFile}' are numbers of keys: expected values, to compare with those " +
                $"of '{data}'.");
        }

        var training = DataSet.LeaveOut(ml, DataSet.Load(ml, data, arguments.Find("--data-dir")), isGenerated: true);
        var test = DataSet.Load(ml, data, arguments.Find("--data-dir"), MnistSplit.Test);
        var counter = new ImageCounter("generated");
        var images = model is null
            ? DataSet.Load(ml, arguments.Text("--images"), arguments.Find("--images-dir"), option: "--images")
            : ImageQuality.Generate(
                ml, model, count, done => counter.Report(done, count * model.LabelValues!.Count), interrupt.Token);

        var form = ImageForm.OfFirst(images);
        var file = arguments.Find("--classifier")
            ?? Path.Combine("out", FileName.From($"{NameClassifier(data, training, form)}.zip"));
        var reference = ReferenceClassifier.LoadOrTrain(ml, training, form, file, interrupt.Token);
        var quality = ImageQuality.Measure(
            ml, images, training, test, reference, trainings, withCeiling: true, interrupt.Token);
        if (arguments.Has("--json"))
        {
            JsonOutput.Write(quality);
            return;
        }

        Console.WriteLine(quality.Metrics);
        if (quality.Score is not null) Console.WriteLine($"\nClassifiers {quality.Score}.");
    }

    /// <summary>
    /// Returns the name of the classifier of a data set. It is another one when the files of a folder change.
    /// </summary>
    internal static string NameClassifier(string data, IDataView training, ImageForm form)
    {
        var name = $"classifier-{data}-{form.Height}x{form.Width}x{form.Channels}";
        var isFolder = training.Schema.GetColumnOrNull("FileName") is not null;
        return isFolder ? $"{name}-{FolderOrigin.Hash(data, training)[..8]}" : name;
    }
}
