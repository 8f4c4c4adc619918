using System.Reflection;
using CondDiffusion.MLNet.Model;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>
/// Reads the options of a trainer by reflection, so that an option that is added and then forgotten fails a test.
/// </summary>
/// <param name="start">The options to change one by one.</param>
/// <param name="labels">The labels of the training.</param>
/// <param name="notInIdentity">
/// The options of this trainer alone that do not decide the weights that a training ends with, and why they do not.
/// </param>
internal sealed class OptionReflection<T>(T start, LabelVocabulary labels, Dictionary<string, string> notInIdentity)
    where T : ImageTrainerOptions
{
    private readonly Dictionary<string, string> _notInIdentity = new(notInIdentity)
    {
        [nameof(ImageTrainerOptions.LabelColumnName)] = "the labels themselves are in the identity",
        [nameof(ImageTrainerOptions.FeatureColumnName)] = "the images themselves are in the identity",
        [nameof(ImageTrainerOptions.Epochs)] = "the writer of the checkpoints adds them where they decide the steps",
        [nameof(ImageTrainerOptions.ImageMemory)] = "the images are the same in memory and on disk",
        [nameof(ImageTrainerOptions.Progress)] = "reports change nothing",
        [nameof(ImageTrainerOptions.ProgressInterval)] = "reports change nothing",
        [nameof(ImageTrainerOptions.TensorBoardDirectory)] = "reports change nothing",
        [nameof(ImageTrainerOptions.CancellationToken)] = "a cancelled training is to be resumed",
        [nameof(ImageTrainerOptions.OnCancellation)] = "a cancelled training is to be resumed",
        [nameof(ImageTrainerOptions.CheckpointDirectory)] = "checkpoints change nothing",
        [nameof(ImageTrainerOptions.CheckpointInterval)] = "checkpoints change nothing",
        [nameof(ImageTrainerOptions.CheckpointSteps)] = "checkpoints change nothing",
        [nameof(ImageTrainerOptions.CheckpointsKept)] = "checkpoints change nothing",
    };

    /// <summary>The options that neither a loop's settings nor a model's description has, and who uses them.</summary>
    private static readonly Dictionary<string, string> UsedElsewhere = new()
    {
        [nameof(ImageTrainerOptions.ImageMemory)] = "the store of the images",
        [nameof(ImageTrainerOptions.Precision)] = "the device's data type is an argument",
        [nameof(ImageTrainerOptions.Seed)] = "the seed in use is an argument",
        [nameof(ImageTrainerOptions.Progress)] = "the reporter",
        [nameof(ImageTrainerOptions.TensorBoardDirectory)] = "the reporter",
        [nameof(ImageTrainerOptions.CancellationToken)] = "the trainer",
        [nameof(ImageTrainerOptions.OnCancellation)] = "the trainer",
        [nameof(ImageTrainerOptions.CheckpointDirectory)] = "the checkpoints",
        [nameof(ImageTrainerOptions.CheckpointInterval)] = "the checkpoints",
        [nameof(ImageTrainerOptions.CheckpointSteps)] = "the checkpoints",
        [nameof(ImageTrainerOptions.CheckpointsKept)] = "the checkpoints",
    };

    private static readonly Lazy<InitialModel> AnotherModel = new(() => InitialModel.From(Tiny.Create(new())));

    public static IEnumerable<PropertyInfo> Properties =>
        typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance);

    /// <summary>Asserts that every option is in the identity or known not to decide the result.</summary>
    public void CheckIdentityIsComplete()
    {
        var options = Properties.Select(property => property.Name).ToArray();
        var decisive = Identity(start).Keys.Intersect(options);
        CollectionAssert.AreEquivalent(options.Except(_notInIdentity.Keys).ToArray(), decisive.ToArray());
        Assert.IsEmpty(_notInIdentity.Keys.Except(options));
    }

    /// <summary>Asserts that an option changes its own entry of the identity and no other.</summary>
    public void CheckIdentityOfEachOption()
    {
        foreach (var property in Properties)
        {
            var before = Identity(start);
            var after = Identity(Change(property));
            var changed = before.Keys.Union(after.Keys)
                .Where(key => before.GetValueOrDefault(key) != after.GetValueOrDefault(key)).ToArray();

            string[] expected = _notInIdentity.ContainsKey(property.Name) ? [] : [property.Name];

            CollectionAssert.AreEquivalent(expected, changed, property.Name);
        }
    }

    /// <summary>
    /// Asserts that an option arrives with its value in the places where it belongs, and changes no other place.
    /// </summary>
    /// <param name="readPlaces">Returns every place and the value there.</param>
    /// <param name="usedElsewhere">The options of this trainer alone that are in none of the places.</param>
    /// <param name="expectedPlaces">Returns the places of any other option.</param>
    public void CheckArrivals(
        Func<T, Dictionary<string, object?>> readPlaces,
        Dictionary<string, string> usedElsewhere,
        Func<PropertyInfo, string[]> expectedPlaces)
    {
        var before = readPlaces(start);
        foreach (var property in Properties)
        {
            var options = Change(property);
            var after = readPlaces(options);
            var changed = after.Keys.Where(name => !Equals(before[name], after[name])).ToArray();
            var isElsewhere = UsedElsewhere.ContainsKey(property.Name) || usedElsewhere.ContainsKey(property.Name);
            CollectionAssert.AreEquivalent(isElsewhere ? [] : expectedPlaces(property), changed, property.Name);
            foreach (var name in changed) Assert.AreEqual(property.GetValue(options), after[name], name);
        }
    }

    private IReadOnlyDictionary<string, string> Identity(T options)
    {
        var type = options.Precision == Precision.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        return options.Identity(options.Seed!.Value, CPU, type, labels);
    }

    /// <summary>Returns the options with one of them set to another value.</summary>
    private T Change(PropertyInfo property)
    {
        var options = (T)((ImageTrainerOptions)start with { });
        var other = property.GetValue(start) switch
        {
            _ when property.PropertyType == typeof(Precision) => (object)Precision.BFloat16,
            _ when property.PropertyType == typeof(IProgress<TrainingProgress>) => new Reporter(_ => { }),
            _ when property.PropertyType == typeof(string) => "Another",
            _ when property.PropertyType == typeof(int?) => 12,
            _ when property.PropertyType == typeof(double?) => 0.25,
            _ when property.PropertyType == typeof(InitialModel) => AnotherModel.Value,
            bool value => !value,
            int value => value + 4,
            long value => value + 1,
            double value => (value + 1) / 4,
            TimeSpan value => value + TimeSpan.FromSeconds(1),
            IReadOnlyList<double> value => value.Append(0.2).ToArray(),
            IReadOnlyList<int> value => value.Select(width => width + 1).ToArray(),
            Enum value => Enum.GetValues(property.PropertyType).Cast<object>().First(member => !member.Equals(value)),
            CancellationToken => new CancellationToken(canceled: true),
            SamplingOptions value => value with { Steps = 7, Seed = 8, GuidanceScale = 1 },
            var value => throw new AssertFailedException($"Say here what another value of {property} than {value} is."),
        };
        property.SetValue(options, other);
        Assert.AreNotEqual(property.GetValue(start), other, property.Name);
        return options;
    }
}
