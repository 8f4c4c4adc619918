using System.Text.Json;
using System.Text.Json.Serialization;
using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>
/// Measures the images that a model generates, or those of a data set, against the images of a data set: prints a
/// table, or JSON for programs.
/// </summary>
internal static class EvaluateCommand
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public static void Run(string[] args)
    {
        var asJson = args.Contains("--json");
        var arguments = new Arguments(
            [.. args.Where(arg => arg != "--json")],
            "--model", "--images", "--images-dir", "--data", "--data-dir", "--count", "--trainings", "--classifier");
        var data = arguments.Text("--data");
        var count = arguments.Number("--count", 1000);
        var trainings = arguments.Find("--trainings") == "0" ? 0 : arguments.Number("--trainings", 3);
        var modelFile = arguments.Find("--model");
        if (modelFile is null == arguments.Find("--images") is null)
            throw new UsageException("Give either --model or --images: the images to evaluate.");
        if (modelFile is not null && !File.Exists(modelFile))
            throw new FileNotFoundException($"The model file '{modelFile}' is missing: the train command makes one.");

        using var interrupt = new Interrupt();
        var ml = new MLContext(seed: 1);
        ml.Log += (_, log) =>
        {
            if (log.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning) Console.Error.WriteLine(log.Message);
        };
        var training = DataSet.Load(ml, data, arguments.Find("--data-dir"));
        var test = DataSet.Load(ml, data, arguments.Find("--data-dir"), MnistSplit.Test);
        using var model = modelFile is null ? null : ModelFile.FindGenerator(ModelFile.Load(ml, modelFile));
        var images = model is null
            ? DataSet.Load(ml, arguments.Text("--images"), arguments.Find("--images-dir"), option: "--images")
            : ImageQuality.Generate(ml, model, count, Report, interrupt.Token);

        var (height, width) = ImageQuality.SizeOf(images);
        var file = arguments.Find("--classifier") ?? Path.Combine("out", $"classifier-{data}-{height}x{width}.zip");
        var reference = ReferenceClassifier.LoadOrTrain(ml, training, height, width, file, interrupt.Token);
        var quality = ImageQuality.Measure(
            ml, images, training, test, reference, trainings, withCeiling: true, interrupt.Token);
        if (asJson)
        {
            Console.WriteLine(JsonSerializer.Serialize(quality, Json));
            return;
        }

        Console.WriteLine(quality.Metrics);
        if (quality.Score is not null) Console.WriteLine($"\nClassifiers {quality.Score}.");

        void Report(int done)
        {
            if (Console.IsErrorRedirected) return;
            var all = count * model!.LabelValues!.Count;
            Console.Error.Write($"\rgenerated {done} of {all} {(done == all ? Environment.NewLine : "")}");
        }
    }
}
