using CondDiffusion.Examples;
using CondDiffusion.MLNet.Evaluation;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>
/// Measures the generated images of a study by a classifier that has seen all training images of the data set.
/// </summary>
internal sealed class GeneratedQualityMeter(MLContext ml, ITransformer reference)
{
    /// <summary>Loads the reference classifier of a data set, or trains it where its file is missing.</summary>
    public static GeneratedQualityMeter Create(MLContext ml, string data, IDataView training)
    {
        var form = new ImageForm(StudyImages.Side, StudyImages.Side, 1);
        var file = QualityMeter.FindReference(data, form);
        return new(ml, ReferenceClassifier.LoadOrTrain(ml, training, form, file, default));
    }

    /// <summary>Compares the generated images of a study with its real ones, and so the test images.</summary>
    public GeneratedQuality Measure(Study study, StudyProtocol protocol, int seed, string command)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var real = Read(study.Real, "real");
        var generated = Read(study.Generated, "generated");
        var test = Read(study.Test, "test");
        var distances = new Distances(Distances.Mean(real.Features), () => { });

        var authenticity = new double?[StudyImages.Labels];
        var testAuthenticity = new double?[StudyImages.Labels];
        var accuracy = new double?[StudyImages.Labels];
        for (var label = 0; label < StudyImages.Labels; label++)
        {
            var name = $"{label}";
            var rows = generated.Find(name);
            if (rows.Length == 0) continue;

            accuracy[label] = rows.Average(row => generated.Predicted![row] == name ? 1.0 : 0);
            var known = real.Select(real.Find(name));
            if (known.Count < 2) continue;

            var copies = new CopyDetection(distances, known.Features);
            authenticity[label] = copies.ComputeAuthenticity(generated.Select(rows).Features);
            testAuthenticity[label] = copies.ComputeAuthenticity(test.Select(test.Find(name)).Features);
        }

        return new()
        {
            Protocol = protocol,
            Seed = seed,
            Authenticity = authenticity,
            TestAuthenticity = testAuthenticity,
            LabelAccuracy = accuracy,
            Commit = Provenance.FindCommit(),
            Machine = Provenance.FindMachine(),
            Command = command,
        };
    }

    /// <summary>Reads images as the reference classifier sees them.</summary>
    private FeatureSet Read(IReadOnlyList<GreyImage> images, string name)
    {
        var view = StudyImages.ToView(ml, images.Select(image => new WeightedImage(image)));
        var seen = reference.Transform(ml.Transforms.CopyColumns("Image", "Pixels").Fit(view).Transform(view));
        var reader = new FeatureReader(
            seen, name, ReferenceClassifier.Features, "Label", ReferenceClassifier.PredictedLabel);
        return reader.Read(() => { }).MoveToSet();
    }
}
